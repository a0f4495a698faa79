"""The largest steps that training can meet, tried out before the first one.

A run that needs more memory than there is should say so at once, not at three in the morning. The rehearsal also
settles DistributedDataParallel's buckets, which follow the first backward pass: a resumed run has the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from asr.config import Config
from asr.data.audio import SAMPLE_RATE
from asr.data.batching import MicroBatch
from asr.errors import UserError
from asr.pseudo.strategy import Use
from asr.scaling.plan import ROOM, Cut, Plan
from asr.schedule import values_of
from asr.step.feeder import Feeder, StepBatch, Work
from asr.step.learner import Learner
from asr.step.planner import Positions


@contextmanager
def memory_bounds(config: Config, when: str) -> Iterator[None]:
    """Turn a lack of memory into a UserError that says what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On a CPU it is a RuntimeError like any other.
        lacking = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in lacking):
            raise
        sharded = config.train.engine == "fsdp" and config.train.gather == "step"
        apart = "set train.gather to pass, " if sharded else ""
        bf16 = "" if config.train.precision == "bf16" else ", or set train.precision to bf16"
        raise UserError(
            f"out of memory {when}: {apart}lower batch.max_device_seconds (now {config.batch.device_seconds:g}; the "
            "run goes on with the same batches, in smaller parts), or begin another run with lower corpus.max_seconds "
            f"(now {config.corpus.max_seconds:g}), model.width (now {config.model.width}) or model.layers (now "
            f"{config.model.layers}){bf16}. {str(error).splitlines()[0] if str(error) else ''}".rstrip()
        ) from None


def _cuts(plan: Plan) -> list[Cut]:
    """All that there are, at every κ and share of unlabeled audio that is named."""
    pseudo = plan.config.pseudo
    shares = [0.0] if pseudo.labels == "none" else values_of(pseudo.unlabeled_share)
    scales = [plan.at(hours).scale for hours, _ in plan.settled]
    return [plan.cut(scale, share) for scale in scales for share in shares]


def _largest(plan: Plan, feeder: Feeder, labeled: bool) -> list[MicroBatch]:
    """The micro-batch of most audio, and that of most audio times length, which attention's scores go with."""
    cuts = _cuts(plan)
    # An update of one kind has whole units of it.
    whole = labeled or plan.config.pseudo.mixing == "update"
    micros = {m for cut in cuts for m in (cut.labeled if labeled else cut.unlabeled, *([cut.whole] * whole)) if m.count}
    planner = feeder.planner
    durations = planner.manifest("text" if labeled else "now").durations
    order = np.argsort(durations, kind="stable")
    found: list[MicroBatch] = []
    for micro in micros:
        grid = planner.grid(micro.seconds)
        frames = grid.frames(durations[order])
        for longest in np.unique(frames).tolist():
            end = int(np.searchsorted(frames, longest, side="right"))
            # One more than usual, to make up for what others have held too little.
            shortest = max(1, longest - 2 * grid.multiple) * grid.frame_seconds
            count = grid.utterances(longest, shortest, shortest)
            batch = MicroBatch(order[max(0, end - count) : end], longest)
            found.append(batch.part(0, batch.parts_within(planner.device_frames)))
    if not found:
        return []
    return [max(found, key=lambda b: len(b.rows) * b.frames**power) for power in (1, 2)]


def largest_steps(plan: Plan, feeder: Feeder) -> list[StepBatch]:
    """Steps of one labeled and, where there are pseudo-labels, one unlabeled micro-batch; of silence."""
    kinds: list[Use] = ["text"]
    if any(cut.unlabeled.count for cut in _cuts(plan)):
        kinds.append("now" if plan.config.pseudo.labels in ("teacher", "student") else "stored")
    steps: list[StepBatch] = []
    for batches in zip(*(_largest(plan, feeder, kind == "text") for kind in kinds), strict=True):
        works: list[Work] = []
        audio = [0.0, 0.0]
        for index, (kind, batch) in enumerate(zip(kinds, batches, strict=True)):
            seconds = feeder.planner.manifest(kind).durations[batch.rows]
            silence = [np.zeros(round(float(s) * SAMPLE_RATE), dtype=np.int16) for s in seconds]
            works.append(Work(index, kind, batch, silence, worst=True))
            audio[index] += float(seconds.sum())
        started = Positions(started=len(kinds) > 1)
        steps.append(StepBatch(works, plan.at(0.0), sum(audio), sum(audio), started, audio[1]))
    return steps


def held_frames(plan: Plan, world_size: int) -> int:
    """Feature frames of all micro-batches that a rank has in a step, at most: a step begins with reading them."""
    cuts = _cuts(plan)
    # With a cache what is labeled for later comes in addition.
    unlabeled = 2 if plan.config.pseudo.caches else 1
    parts = [[(cut.labeled, 1), (cut.unlabeled, unlabeled)] for cut in cuts]
    parts += [[(cut.whole, unlabeled)] for cut in cuts]
    # One more than usual, to make up for what others have held too little.
    seconds = [sum(math.ceil(m.count / world_size + 1) * m.seconds * times for m, times in step) for step in parts]
    return math.ceil(max(seconds) * ROOM * 1000 / plan.config.features.shift_ms)


def rehearse(plan: Plan, learner: Learner, feeder: Feeder) -> None:
    """Raises UserError where memory is too small for a step, or for what stays between steps."""
    with memory_bounds(plan.config, "in a rehearsal of the largest batch, before the first step"):
        for step in largest_steps(plan, feeder):
            learner.rehearse(step, held_frames(plan, learner.ranks.world_size))
