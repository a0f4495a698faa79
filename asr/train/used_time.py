"""How well ranks share a step out: before training, for lengths like LibriSpeech's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr.config import Config
from asr.data.batching import FloatArray
from asr.data.manifest import Manifest, Utterance
from asr.scaling.plan import Plan
from asr.step.clock import Clock
from asr.step.planner import Planner, Positions

STEPS = 12


def typical_lengths(longest: float) -> FloatArray:
    """Seconds of utterances as audio books have them: 12 on average, few over 16."""
    return np.random.default_rng(0).gamma(4.0, 3.0, 20_000).clip(1.0, max(1.0, min(17.0, longest)))


@dataclass(frozen=True)
class Load:
    """What steps ask of each rank."""

    passes: int
    """Micro-batches, or parts of them, that it takes one after the other, at most."""
    busy: float
    """Share of all ranks' time in which they are at work, the step being over when the slowest is. Time is taken to go
    with padded audio."""


def measure_load(config: Config, plan: Plan, world_size: int, started: bool) -> Load:
    """The load of steps as they will be.

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
    hours = 0.0
    if started:
        # At the end: κ has come to its last value by then.
        hours = config.schedule.total_hours
    elif config.pseudo.labels == "none" or plan.settled[-1][0] < config.pseudo.start_hours:
        hours = plan.settled[-1][0]
    clock.base_steps = hours * 3600 / config.batch.base_seconds
    found: list[float] = []
    passes = 0
    for step, _ in zip(planner.steps(clock, Positions(started=started), lambda: 0.0), range(STEPS), strict=False):
        shares = [planner.share(step, rank, world_size) for rank in range(world_size)]
        passes = max(passes, *map(len, shares))
        work = [sum(len(batch.rows) * batch.frames for _, batch in share) for share in shares]
        found.append(float(np.mean(work)) / max(*work, 1))
    return Load(passes, float(np.mean(found)))
