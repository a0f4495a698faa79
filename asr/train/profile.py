"""How fast a training step is, and where its time goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from asr.config import Config
from asr.data.audio import AudioReader
from asr.scaling.plan import Plan
from asr.step.clock import Clock
from asr.step.feeder import StepBatch
from asr.step.learner import Learner
from asr.step.planner import Positions
from asr.step.ranks import join_ranks
from asr.train.allocator import keep_memory
from asr.train.corpus import Data, read_data
from asr.train.run import build

PARTS = ("features", "teacher", "labels", "student forward and loss", "backward", "optimizer and teacher update")


@dataclass(frozen=True)
class Speed:
    """`audio` and `wall` in seconds; `parts` are shares of the wall time by name, the rest being waits for audio."""

    audio: float
    wall: float
    parts: dict[str, float]
    padding: float

    @property
    def real_time(self) -> float:
        return self.audio / self.wall


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measure(learner: Learner, batches: Iterator[StepBatch], clock: Clock, steps: int) -> Speed:
    """Speed over `steps` steps, audio loading included."""
    device = learner.ranks.device
    audio = padded = 0.0
    _wait(device)
    begun = time.perf_counter()
    for _, batch in zip(range(steps), batches, strict=False):
        learner.step(batch, clock)
        audio += batch.seconds
        padded += batch.padded_seconds
    _wait(device)
    wall = time.perf_counter() - begun
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    # The shares come from steps of their own: recording every operation takes time itself.
    with profile(activities=activities) as record:
        recorded = time.perf_counter()
        for _, batch in zip(range(max(2, steps // 4)), batches, strict=False):
            learner.step(batch, clock)
        _wait(device)
        recorded = time.perf_counter() - recorded
    times = {event.key: event.cpu_time_total / 1e6 for event in record.key_averages()}
    parts = {name: times.get(name, 0.0) / recorded for name in PARTS}
    return Speed(audio, wall, parts, 1 - audio / padded)


def _speed(config: Config, data: Data, started: bool, steps: int) -> Speed:
    """Of supervised steps, or of steps with pseudo-labels."""
    plan = Plan(config)
    with join_ranks() as ranks:
        if ranks.device.type == "cpu":
            keep_memory()
        reader = AudioReader(config.train.loader_threads, config.train.max_bad_audio)
        try:
            machinery = build(plan, data, reader, ranks)
            learner, feeder = machinery.learner, machinery.feeder
            # As many steps again first: every shape is met, and memory is at its size.
            clock = Clock(config.batch.base_seconds)
            # Where κ is this run's.
            clock.base_steps = plan.settled[-1][0] * 3600 / config.batch.base_seconds
            batches = feeder.feed(clock, Positions(started=started))
            for _, batch in zip(range(steps), batches, strict=False):
                learner.step(batch, clock)
            return _measure(learner, batches, clock, steps)
        finally:
            reader.close()


def profile_training(config: Config, manifests: Path, tokens: Path, steps: int) -> str:
    """Measure supervised and pseudo-labeled steps, side by side in one process; returns a table.

    Ideally a pseudo-labeled step takes 1 + u / 3 of a supervised one per second of audio, u being the
    unlabeled share: the teacher adds a forward pass, a third of forward and backward.
    """
    never = dataclasses.replace(config.pseudo, labels="none")
    supervised = dataclasses.replace(config, pseudo=never)
    data = read_data(config, manifests, tokens)
    rows = {"supervised": _speed(supervised, data, False, steps)}
    if config.pseudo.labels in ("teacher", "student"):
        rows["with pseudo-labels"] = _speed(config, data, True, steps)
    width = max(map(len, PARTS)) + 2
    lines = [f"{'':<{width}}" + "".join(f"{name:>20}" for name in rows)]
    lines.append(f"{'× real time':<{width}}" + "".join(f"{s.real_time:>20.0f}" for s in rows.values()))
    lines.append(f"{'padding':<{width}}" + "".join(f"{s.padding:>20.1%}" for s in rows.values()))
    for part in PARTS:
        lines.append(f"{part:<{width}}" + "".join(f"{s.parts[part]:>20.1%}" for s in rows.values()))
    waits = [1 - sum(s.parts.values()) for s in rows.values()]
    lines.append(f"{'waiting for audio, rest':<{width}}" + "".join(f"{w:>20.1%}" for w in waits))
    if len(rows) == 2:
        ratio = rows["supervised"].real_time / rows["with pseudo-labels"].real_time
        ideal = 1 + Plan(config).share(config.pseudo.start_hours) / 3
        lines.append(f"a step with pseudo-labels takes {ratio:.2f} of a supervised one; ideal {ideal:.2f}")
    return "\n".join(lines)
