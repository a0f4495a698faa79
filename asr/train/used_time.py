"""How well ranks share a step out: before training, for lengths like LibriSpeech's."""

from __future__ import annotations

import numpy as np

from asr.config import Config
from asr.data.batching import FloatArray, share_out
from asr.data.manifest import Manifest, Utterance
from asr.scaling.plan import Plan
from asr.train.clock import Clock
from asr.train.planner import Planner, Positions

STEPS = 12


def typical_lengths(longest: float) -> FloatArray:
    """Seconds of utterances as audio books have them: 12 on average, few over 16."""
    return np.random.default_rng(0).gamma(4.0, 3.0, 20_000).clip(1.0, max(1.0, min(17.0, longest)))


def used_time(config: Config, plan: Plan, world_size: int, started: bool) -> float:
    """Share of all ranks' time in which they are at work, the step being over when the slowest is.

    Time is taken to go with padded audio.

    Args:
        config: all settings.
        plan: of them.
        world_size: number of ranks.
        started: whether pseudo-labels have started.
    """
    lengths = typical_lengths(config.corpus.max_seconds)
    rows = Manifest(Utterance(str(row), "", float(seconds)) for row, seconds in enumerate(lengths))
    planner = Planner(config, plan, (rows, rows))
    clock = Clock(config.batch.base_seconds)
    if started:
        # At the end: κ has come to its last value by then.
        clock.base_steps = config.schedule.total_hours * 3600 / config.batch.base_seconds
    found: list[float] = []
    for step, _ in zip(planner.steps(clock, Positions(started=started), lambda: 0.0), range(STEPS), strict=False):
        shares = (share_out(step.batches, rank, world_size, not planner.in_groups) for rank in range(world_size))
        work = [sum(len(batch.rows) * batch.frames for _, batch in share) for share in shares]
        found.append(float(np.mean(work)) / max(*work, 1))
    return float(np.mean(found))
