"""From clock and positions to the global batches, in order: which utterances, and with whose labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from asr.config import Config
from asr.data.batching import Grid, MicroBatch, Stream, share_out
from asr.data.manifest import Manifest
from asr.errors import UserError
from asr.pseudo.strategy import Cache, Position, Taken, Use, draw_kind
from asr.scaling.plan import Cut, Micro, Plan
from asr.step.account import NEAR, Need, count_micros, need
from asr.step.clock import Clock, reached

Owed = tuple[float, float]


@dataclass(frozen=True)
class Positions:
    """Where the plan stands: place in each stream, whether pseudo-labels have started, what is cached."""

    labeled: Position = (0, 0)
    unlabeled: Position = (0, 0)
    started: bool = False
    slots: tuple[Position, ...] = ()
    shapes: tuple[float, float] | None = None
    """Seconds of a micro-batch of each stream, in which positions count; None before the first step."""
    owed: Owed = (0.0, 0.0)
    """Seconds of each stream that steps have taken too little, by their means; see `count_micros`."""


@dataclass(frozen=True)
class Planned:
    """A global batch."""

    cut: Cut
    batches: list[tuple[Use, MicroBatch]]
    released: tuple[int, ...]
    """Utterances whose labels nobody asks for from this step on."""
    seconds: float
    """Audio that is trained on, without padding."""
    padded_seconds: float
    positions: Positions
    """After this step."""
    turnover: float
    """Probability with which cached labels were replaced."""


class Planner:
    """The plan is a pure function of manifests, settings, seed and positions, whatever the number of ranks."""

    def __init__(self, config: Config, plan: Plan, manifests: tuple[Manifest, Manifest]) -> None:
        self._config, self._plan, self._manifests = config, plan, manifests

    @property
    def in_groups(self) -> bool:
        """Whether a labeled and an unlabeled micro-batch are one group, on whatever rank."""
        return self._plan.adascale

    def manifest(self, use: Use) -> Manifest:
        """The utterances whose rows a micro-batch counts in."""
        return self._manifests[0 if use == "text" else 1]

    def grid(self, seconds: float) -> Grid:
        """The shapes of micro-batches of about `seconds`."""
        batch = self._config.batch
        return Grid(seconds, batch.unit_seconds, self._config.features.shift_ms / 1000, batch.frame_multiple)

    def share(self, step: Planned, rank: int, world_size: int) -> list[tuple[int, MicroBatch]]:
        """A rank's part of a global batch, as `share_out` gives it."""
        return share_out(step.batches, rank, world_size, self.device_frames, balanced=not self.in_groups)

    @property
    def device_frames(self) -> int:
        """Feature frames, padding included, that a device takes at a time."""
        return int(self._config.batch.device_seconds * 1000 / self._config.features.shift_ms + 1e-6)

    def _stream(self, labeled: bool, seconds: float) -> Stream:
        # Labeled and unlabeled audio of equal row counts must not be shuffled alike.
        seed = 2 * self._config.seed + (0 if labeled else 1)
        durations = self._manifests[0 if labeled else 1].durations
        # A stream of which a step takes nothing has no size.
        return Stream(durations, self.grid(max(seconds, 1e-3)), self._config.batch.length_jitter, seed)

    def started(self, clock: Clock, positions: Positions) -> bool:
        """Whether the step from here on has pseudo-labels."""
        pseudo = self._config.pseudo
        return positions.started or (pseudo.labels != "none" and reached(clock.hours, pseudo.start_hours))

    def cut(self, clock: Clock) -> Cut:
        """How the step from here on is cut."""
        return self._plan.at(clock.hours)

    def _cache(self, stream: Stream, scale: float, micro: Micro) -> Cache | None:
        """None where nothing is kept. `micro` is what a step at κ = `scale` takes, by the settings alone."""
        hours = self._config.pseudo.cache_hours
        if not self._config.pseudo.caches or not micro.seconds:
            return None
        # Of the first epoch, wherever training goes on: another one's mean is another number.
        usual = need(Micro(1, micro.seconds), self._stream(False, micro.seconds).mean_seconds).usual
        size, largest = int(hours * 3600 / usual + 1e-9), scale
        if self._plan.in_units:
            # Micro-batches stay as they are where κ changes, and steps take more of them.
            begin = self._config.pseudo.start_hours - self._config.scaling.ramp_hours
            ends = [*(hour for hour, _ in self._plan.points[1:]), math.inf]
            scales = [scale for (_, scale), end in zip(self._plan.points, ends, strict=True) if end > begin]
            largest = max(scale, *scales)
        step = max(1, math.ceil(micro.count * largest / scale * micro.seconds / usual - 1e-6))
        if size < step:
            raise UserError(
                f"pseudo.cache_hours = {hours:g} holds {size} micro-batches of {usual:.3g} s, fewer than the {step} "
                f"of a step at κ = {largest:g}; make it larger"
            )
        return Cache(stream, size, self._config.seed)

    def _counts(self, cut: Cut, needs: list[Need], owed: tuple[float, float]) -> tuple[list[int], Owed]:
        """Micro-batches of each kind that a step takes. Raises UserError where these are too many."""
        if self.in_groups and cut.whole.count > 1:
            # A labeled and an unlabeled one are compared with others like them.
            return [one.micro.count if one.usual else 0 for one in needs], owed
        held = sum(one.seconds / one.usual for one in needs if one.usual)
        if held < 1 - NEAR:
            base = self._config.batch.base_seconds
            raise UserError(
                f"batches of {base * cut.scale:.3g} s (batch.base_seconds = {base:g}, κ = {cut.scale:g}) are shorter "
                "than utterances are on average, and hold one at least: "
                f"{100 * (1 / held - 1):.0f} % more would be heard than the clock counts; raise batch.base_seconds to "
                f"{math.ceil(base / held)} or more, or κ"
            )
        counts, left = count_micros(needs, owed)
        return counts, (left[0], left[1])

    def steps(self, clock: Clock, positions: Positions, turnover: Callable[[], float]) -> Iterator[Planned]:
        """Global batches from a point on, labeled micro-batches first. `clock` is moved along.

        Args:
            clock: where to begin.
            positions: likewise.
            turnover: asked for at each step.

        Raises:
            UserError: the cache is smaller than a step, or a step than an utterance.
        """
        frame_seconds = self._config.features.shift_ms / 1000
        pseudo = self._config.pseudo
        shapes: tuple[float, float] | None = None
        while True:
            cut, started = self._plan.at(clock.hours), self.started(clock, positions)
            both = pseudo.mixing == "batch"
            labeled, unlabeled = cut.micros(started) if both else (cut.whole, cut.whole)
            lost: tuple[int, ...] = ()
            if shapes != (labeled.seconds, unlabeled.seconds):
                shapes = (labeled.seconds, unlabeled.seconds)
                positions, lost = self._cut_anew(positions, shapes)
                texts, others = (self._stream(kind, s) for kind, s in zip((True, False), shapes, strict=True))
                texts.seek(*positions.labeled)
                others.seek(*positions.unlabeled)
                cache = self._cache(others, cut.scale, unlabeled)
                if cache is not None:
                    cache.seek(positions.slots)
            kinds = (True, False)
            if started:
                kinds = draw_kind(pseudo, self._plan.share(clock.hours), self._config.seed, clock.steps)
            used = turnover()
            counts, owed = self._counts(
                cut,
                [
                    need(micro, stream.mean_seconds) if taken else Need(micro, 0.0)
                    for taken, micro, stream in zip(kinds, (labeled, unlabeled), (texts, others), strict=True)
                ],
                positions.owed,
            )
            parts: list[tuple[Use, MicroBatch]] = [("text", batch) for batch in texts.take(counts[0])]
            taken = Taken([])
            if counts[1] and cache is not None:
                taken = cache.take(counts[1], clock.steps, used)
                lost = tuple(row for row in lost if not cache.holds(row))
            elif counts[1]:
                use: Use = "now" if pseudo.labels in ("teacher", "student") else "stored"
                taken = Taken([(use, batch) for batch in others.take(counts[1])])
            parts += taken.batches
            slots = () if cache is None else cache.slots
            ends = [(stream.epoch, stream.offset) for stream in (texts, others)]
            positions = Positions(ends[0], ends[1], started, slots, shapes, owed)
            clock.tick(cut.scale)
            trained = [(use, batch) for use, batch in parts if use != "label"]
            yield Planned(
                cut,
                parts,
                (*lost, *taken.released),
                sum(float(self.manifest(use).durations[b.rows].sum()) for use, b in trained),
                sum(len(b.rows) * b.frames for _, b in trained) * frame_seconds,
                positions,
                used,
            )

    def _cut_anew(self, positions: Positions, shapes: tuple[float, float]) -> tuple[Positions, tuple[int, ...]]:
        """Positions in streams of other shapes, and utterances that were cached.

        Where a stream's shapes change its running epoch's cut no longer fits, and the next one begins.
        """
        before = positions.shapes
        if before is None or before == shapes:
            return replace(positions, shapes=shapes), ()
        labeled, unlabeled = positions.labeled, positions.unlabeled
        if before[0] not in (0, shapes[0]):
            labeled = (labeled[0] + 1, 0)
        if before[1] in (0, shapes[1]):
            return replace(positions, labeled=labeled, shapes=shapes), ()
        old = self._stream(False, before[1])
        lost = tuple(row for slot in positions.slots for row in old.at(slot).rows.tolist())
        return replace(positions, labeled=labeled, unlabeled=(unlabeled[0] + 1, 0), slots=(), shapes=shapes), lost
