"""From manifests and clock to the global batches, in order, with their audio read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from asr.config import Config
from asr.data.audio import AudioReader, Reading, Samples
from asr.data.batching import Grid, MicroBatch, Stream, share_out
from asr.data.manifest import Manifest
from asr.scaling.plan import Cut, Micro, Plan
from asr.train.clock import Clock, reached

AHEAD = 3
"""Steps whose audio is being read while one is trained on."""


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
    cut: Cut
    seconds: float
    """Audio in the global batch as it is, without padding."""
    padded_seconds: float
    positions: Positions
    """After this step."""


_Asked = tuple[int, bool, MicroBatch, list[Future[Reading]]]


@dataclass(frozen=True)
class _Planned:
    """A step whose audio is being read."""

    cut: Cut
    reading: list[_Asked]
    seconds: float
    padded_seconds: float
    positions: Positions


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

    def grid(self, micro: Micro) -> Grid:
        """The shapes of a stream that is cut in this way."""
        batch = self._config.batch
        return Grid(
            micro.seconds, batch.max_device_seconds, self._config.features.shift_ms / 1000, batch.frame_multiple
        )

    def _stream(self, labeled: bool, micro: Micro) -> Stream:
        # Labeled and unlabeled audio of equal row counts must not be shuffled alike.
        seed = 2 * self._config.seed + (0 if labeled else 1)
        return Stream(
            self._manifests[0 if labeled else 1].durations, self.grid(micro), self._config.batch.length_jitter, seed
        )

    def _started(self, clock: Clock, positions: Positions) -> bool:
        pseudo = self._config.pseudo
        return positions.started or (pseudo.labels != "none" and reached(clock.hours, pseudo.start_hours))

    def _plan_steps(self, clock: Clock, positions: Positions) -> Iterator[_Planned]:
        """Global batches from a point on, labeled micro-batches first, with their audio asked for."""
        frame_seconds = self._config.features.shift_ms / 1000
        streams: dict[bool, Stream] = {}
        shapes: tuple[float, float] | None = None
        while True:
            cut = self._plan.at(clock.hours)
            started = self._started(clock, positions)
            micros = cut.micros(started)
            if shapes != (micros[0].seconds, micros[1].seconds):
                shapes = (micros[0].seconds, micros[1].seconds)
                streams = {kind: self._stream(kind, micro) for kind, micro in zip((True, False), micros, strict=True)}
                labeled = positions.labeled
                if started and not positions.started:
                    # Other shapes from here on: the running epoch's cut no longer fits.
                    labeled = (labeled[0] + 1, 0)
                streams[True].seek(*labeled)
                streams[False].seek(*positions.unlabeled)
            parts = [
                (kind, b) for kind, m in zip((True, False), micros, strict=True) for b in streams[kind].take(m.count)
            ]
            ends = [(streams[kind].epoch, streams[kind].offset) for kind in (True, False)]
            positions = Positions(ends[0], ends[1], started)
            clock.tick(cut.scale)
            own = share_out([b for _, b in parts], self._rank, self._world_size)
            yield _Planned(
                cut,
                [(i, parts[i][0], b, self._reader.submit(self.manifest(parts[i][0]), b.rows)) for i, b in own],
                sum(float(self.manifest(kind).durations[b.rows].sum()) for kind, b in parts),
                sum(len(b.rows) * b.frames for _, b in parts) * frame_seconds,
                positions,
            )

    def feed(self, clock: Clock, positions: Positions) -> Iterator[StepBatch]:
        """Global batches without end, from where `clock` stands. The caller moves the clock after each."""
        waiting: deque[_Planned] = deque()
        planned = self._plan_steps(replace(clock), positions)
        while True:
            while len(waiting) <= AHEAD:
                waiting.append(next(planned))
            if waiting[0].positions.started != self._started(clock, positions):
                # A gain that AdaScale measured has moved the clock otherwise than was planned for.
                waiting.clear()
                planned = self._plan_steps(replace(clock), positions)
                continue
            step = waiting.popleft()
            positions = step.positions
            work = [Work(i, kind, b, self._reader.gather(futures)) for i, kind, b, futures in step.reading]
            yield StepBatch(work, step.cut, step.seconds, step.padded_seconds, positions)

    def manifest(self, labeled: bool) -> Manifest:
        """The labeled or the unlabeled utterances, whose rows `Work` counts in."""
        return self._manifests[0 if labeled else 1]
