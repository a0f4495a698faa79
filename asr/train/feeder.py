"""From manifests and clock to the global batches, in order, with their audio read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from asr.config import Config
from asr.data.audio import AudioReader, Samples
from asr.data.batching import Grid, MicroBatch, Stream, share_out
from asr.data.manifest import Manifest
from asr.scaling.plan import Micro, Plan
from asr.train.clock import Clock, reached

AHEAD = 3
"""Steps whose audio is being read while one is trained on."""


_Reading = tuple[int, bool, MicroBatch, list[Future[Samples]]]


@dataclass(frozen=True)
class Positions:
    """Where the plan stands: epoch and micro-batch of each stream, and whether pseudo-labels have started."""

    labeled: tuple[int, int] = (0, 0)
    unlabeled: tuple[int, int] = (0, 0)
    started: bool = False


@dataclass(frozen=True)
class Work:
    """One rank's part of one micro-batch. `index` counts within the global batch and keys its randomness."""

    index: int
    labeled: bool
    batch: MicroBatch
    samples: list[Samples]


@dataclass(frozen=True)
class StepBatch:
    work: list[Work]
    seconds: float
    """Audio in the global batch as it is, without padding."""
    padded_seconds: float
    positions: Positions
    """After this step."""


class Feeder:
    """Plans and reads this rank's part of every step, from a clock and positions onwards."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        manifests: tuple[Manifest, Manifest],
        reader: AudioReader,
        rank: int,
        world_size: int,
    ) -> None:
        self._config, self._plan, self._manifests = config, plan, manifests
        self._reader, self._rank, self._world_size = reader, rank, world_size

    def _stream(self, labeled: bool, micro: Micro) -> Stream:
        batch = self._config.batch
        grid = Grid(
            micro.seconds,
            batch.max_device_seconds,
            self._config.features.shift_ms / 1000,
            batch.frame_multiple,
        )
        # Labeled and unlabeled audio of equal row counts must not be shuffled alike.
        seed = 2 * self._config.seed + (0 if labeled else 1)
        return Stream(self._manifests[0 if labeled else 1].durations, grid, batch.length_jitter, seed)

    def _steps(self, clock: Clock, positions: Positions) -> Iterator[tuple[list[tuple[bool, MicroBatch]], Positions]]:
        """Global batches, labeled micro-batches first, each with the positions after it."""
        pseudo, plan = self._config.pseudo, self._plan
        started = positions.started
        labeled = self._stream(True, plan.labeled if started else plan.warmup)
        unlabeled = self._stream(False, plan.unlabeled)
        labeled.seek(*positions.labeled)
        unlabeled.seek(*positions.unlabeled)
        while True:
            if not started and pseudo.labels != "none" and reached(clock.hours, pseudo.start_hours):
                # Other shapes from here on: the running epoch's cut no longer fits.
                started, epoch = True, labeled.epoch
                labeled = self._stream(True, plan.labeled)
                labeled.seek(epoch + 1, 0)
            parts = [(True, b) for b in labeled.take((plan.labeled if started else plan.warmup).count)]
            if started:
                parts += [(False, b) for b in unlabeled.take(plan.unlabeled.count)]
            clock.tick(plan.batch_scale)
            yield (
                parts,
                Positions((labeled.epoch, labeled.offset), (unlabeled.epoch, unlabeled.offset), started),
            )

    def feed(self, clock: Clock, positions: Positions, steps: int) -> Iterator[StepBatch]:
        """The next `steps` global batches. `clock` is copied; training keeps its own."""
        ahead = Clock(clock.base_seconds, clock.steps, clock.base_steps)
        planned = self._steps(ahead, positions)
        frame_seconds = self._config.features.shift_ms / 1000
        waiting: deque[tuple[list[_Reading], float, float, Positions]] = deque()
        submitted = 0
        for _ in range(steps):
            while submitted < steps and len(waiting) <= AHEAD:
                parts, after = next(planned)
                seconds = sum(float(self.manifest(kind).durations[b.rows].sum()) for kind, b in parts)
                padded = sum(len(b.rows) * b.frames for _, b in parts) * frame_seconds
                own = share_out([b for _, b in parts], self._rank, self._world_size)
                reading = [(i, parts[i][0], b, self._reader.submit(self.manifest(parts[i][0]), b.rows)) for i, b in own]
                waiting.append((reading, seconds, padded, after))
                submitted += 1
            reading, seconds, padded, after = waiting.popleft()
            work = [Work(i, kind, b, self._reader.gather(futures)) for i, kind, b, futures in reading]
            yield StepBatch(work, seconds, padded, after)

    def manifest(self, labeled: bool) -> Manifest:
        """The labeled or the unlabeled utterances, whose rows `Work` counts in."""
        return self._manifests[0 if labeled else 1]
