"""This rank's part of every global batch, with its audio read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from asr.data.audio import AudioReader, Reading, Samples
from asr.data.batching import MicroBatch
from asr.data.draws import LargestDraws, PartGenerator
from asr.pseudo.strategy import Use, draws
from asr.scaling.plan import Cut
from asr.step.clock import Clock
from asr.step.planner import Planned, Planner, Positions

AHEAD = 3
"""Steps whose audio is being read while one is trained on."""


@dataclass(frozen=True)
class Work:
    """One rank's part of one micro-batch, or a part of that. `index` counts within the global batch and keys its
    randomness."""

    index: int
    use: Use
    batch: MicroBatch
    samples: list[Samples]
    worst: bool = False
    """Nothing is drawn, and all takes the most memory that it can: in a rehearsal."""

    @property
    def labeled(self) -> bool:
        return self.use == "text"

    def random(self, seed: int, step: int) -> PartGenerator:
        """Keyed by step and micro-batch: there is no generator state to save, nor one that depends on ranks."""
        kind = LargestDraws if self.worst else PartGenerator
        return kind((seed, (step << 20) + self.index), self.batch.whole, self.batch.places)

    def seeds(self, seed: int, step: int) -> list[int]:
        """Of each utterance's sampled label."""
        first = int(draws(seed, (step << 20) + self.index, 3).integers(2**62))
        return [first + place for place in self.batch.places.tolist()] or [first]


@dataclass(frozen=True)
class StepBatch:
    work: list[Work]
    cut: Cut
    seconds: float
    """Audio that the global batch trains on, as it is, without padding."""
    padded_seconds: float
    positions: Positions
    """After this step."""
    unlabeled_seconds: float = 0.0
    """Of `seconds`, what has no transcript."""
    released: tuple[int, ...] = ()
    """Utterances whose labels nobody asks for from this step on."""


_Asked = tuple[int, Use, MicroBatch, list[Future[Reading]]]


class Feeder:
    """Reads this rank's part of every step, from a clock and positions onwards."""

    def __init__(self, planner: Planner, reader: AudioReader, rank: int, world_size: int) -> None:
        self.planner = planner
        self._reader, self._rank, self._world_size = reader, rank, world_size

    def _ask(self, step: Planned) -> list[_Asked]:
        found: list[_Asked] = []
        for index, batch in self.planner.share(step, self._rank, self._world_size):
            use = step.batches[index][0]
            found.append((index, use, batch, self._reader.submit(self.planner.manifest(use), batch.rows)))
        return found

    def feed(
        self, clock: Clock, positions: Positions, turnover: Callable[[], float] = lambda: 0.0
    ) -> Iterator[StepBatch]:
        """Global batches without end, from where `clock` stands. The caller moves the clock after each.

        `turnover` is how often cached labels are replaced; it may change between two steps.
        """
        waiting: deque[tuple[Planned, list[_Asked]]] = deque()
        planned = self.planner.steps(replace(clock), positions, turnover)
        while True:
            while len(waiting) <= AHEAD:
                step = next(planned)
                waiting.append((step, self._ask(step)))
            step = waiting[0][0]
            now = self.planner.started(clock, positions), self.planner.cut(clock), turnover()
            if (step.positions.started, step.cut, step.turnover) != now:
                # A gain that AdaScale measured has moved the clock, or churn the turnover, otherwise than was planned.
                waiting.clear()
                planned = self.planner.steps(replace(clock), positions, turnover)
                continue
            step, asked = waiting.popleft()
            positions = step.positions
            work = [Work(i, use, batch, self._reader.gather(futures)) for i, use, batch, futures in asked]
            durations = self.planner.manifest("now").durations
            unlabeled = sum(float(durations[b.rows].sum()) for use, b in step.batches if use in ("now", "stored"))
            yield StepBatch(work, step.cut, step.seconds, step.padded_seconds, positions, unlabeled, step.released)
