"""Which utterances a training step sees: a pure function of (durations, settings, seed, epoch).

An epoch's utterances are sorted by length (plus a little noise) and cut into micro-batches of one length
each, which are then shuffled. Lengths are rounded up to a grid and the number of utterances follows from the
length but for one more or less, so few tensor shapes occur. The plan is made for the global batch; ranks share it out.
Of many utterances an epoch is planned part by part, so that time and memory of a plan do not grow with the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MOST_ROWS = 1 << 19
"""Of a plan: a second or two of work, and about 1,800 h of audio."""


class Indexed(Protocol):
    def __getitem__(self, row: int) -> str: ...


@dataclass(frozen=True)
class Grid:
    """How seconds become frames, and how many utterances of a length make up a micro-batch."""

    micro_seconds: float
    max_seconds: float
    """Audio, padding included, that a micro-batch never exceeds."""
    frame_seconds: float = 0.01
    multiple: int = 48

    def frames(self, seconds: FloatArray) -> IntArray:
        """Feature frames of the padded batch for a longest utterance of `seconds`."""
        cells = np.ceil(seconds / (self.frame_seconds * self.multiple) - 1e-9)
        return np.maximum(cells, 1).astype(np.int64) * self.multiple

    def utterances(self, frames: int, seconds: float | None = None, owed: float = 0.0) -> int:
        """Utterances in a micro-batch of `frames` frames: as near to `micro_seconds` as the cap allows.

        Args:
            frames: with padding, which counts for the cap.
            seconds: mean length without padding, which is what counts otherwise; None: there is none.
            owed: what the micro-batches before have held too little, in seconds. Where it comes to an utterance, one is
                added, and where they have held too much, one is left out.
        """
        padded = frames * self.frame_seconds
        seconds = padded if seconds is None else seconds
        near = round(self.micro_seconds / seconds) + max(-1, min(1, int(owed / seconds)))
        return max(1, min(near, int(self.max_seconds / padded + 1e-9)))


@dataclass(frozen=True)
class MicroBatch:
    """Rows of a manifest that are padded to `frames` feature frames and go through the model together."""

    rows: IntArray
    frames: int
    first: int = 0
    stride: int = 1
    """Of a part: it has every `stride`-th utterance of the whole, from the `first`."""
    size: int | None = None
    """Of a part: utterances of the whole."""

    @property
    def whole(self) -> int:
        """Utterances of the micro-batch that this is, or is a part of."""
        return len(self.rows) if self.size is None else self.size

    @property
    def places(self) -> IntArray:
        """Where the rows stand in it."""
        return np.arange(self.first, self.whole, self.stride)

    def part(self, index: int, parts: int) -> MicroBatch:
        """Every `parts`-th utterance, from `index`; with more parts than utterances some are empty."""
        first, stride = self.first + index * self.stride, self.stride * parts
        return MicroBatch(self.rows[index::parts], self.frames, first, stride, self.whole)

    def parts_within(self, frames: int) -> int:
        """The fewest parts of which each has, padding included, at most `frames` feature frames, or one utterance."""
        most = max(1, frames // self.frames)
        return -(-len(self.rows) // most)


def check_lengths(seconds: FloatArray, ids: Indexed, max_seconds: float) -> None:
    """Raises UserError where one utterance alone is more than a device may take at a time."""
    longest = int(seconds.argmax()) if len(seconds) else 0
    if len(seconds) and seconds[longest] > max_seconds:
        raise UserError(
            f"utterance {ids[longest]!r} lasts {seconds[longest]:.1f} s, more than the {max_seconds:g} s of "
            "batch.max_device_seconds; raise that, or lower corpus.max_seconds"
        )


def plan_epoch(seconds: FloatArray, grid: Grid, jitter: float, seed: int, epoch: int) -> list[MicroBatch]:
    """One pass over all utterances as micro-batches, in training order.

    Args:
        seconds: duration of each utterance, `(rows,)`.
        grid: the shapes.
        jitter: standard deviation of the relative noise on lengths before sorting.
        seed: with `epoch`, the only source of randomness.
        epoch: counts from 0.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    noisy = seconds * (1 + jitter * rng.standard_normal(len(seconds)))
    order = np.argsort(-noisy, kind="stable")
    # As lists: of a handful of numbers a sum takes less time than numpy needs to begin.
    lengths, frames = seconds[order].tolist(), grid.frames(seconds[order]).tolist()
    batches: list[MicroBatch] = []
    start, owed = 0, 0.0
    while start < len(order):
        # Noise lets a longer utterance follow a shorter one: take the length of the longest in reach.
        reach = start + grid.utterances(frames[start])
        longest = max(frames[start:reach])
        near = lengths[start:reach]
        stop = start + grid.utterances(longest, sum(near) / len(near), owed)
        batches.append(MicroBatch(order[start:stop], longest))
        # Whole utterances never make the nominal size: what is missing or too much is made up for later, so that the
        # mean is the nominal size, at every κ.
        owed += grid.micro_seconds - sum(lengths[start:stop])
        start = stop
    return [batches[i] for i in rng.permutation(len(batches))]


def shuffled(places: IntArray, count: int, key: tuple[int, int]) -> IntArray:
    """Where each of some `places` comes to lie when 0 … `count` - 1 are shuffled; the others are not looked at.

    A Feistel network (Luby and Rackoff, SIAM J. Comput. 1988) permutes the smallest square that holds them all; what
    falls outside goes through it again (Black and Rogaway, CT-RSA 2002, §4).

    Args:
        places: of 0 … `count` - 1.
        count: how many there are.
        key: of the order.
    """
    bits = max(1, (int(count - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << bits) - 1)
    rounds = np.random.Generator(np.random.Philox(key=list(key))).integers(1 << 63, size=6, dtype=np.uint64)
    found = places.astype(np.uint64)
    outside = np.arange(len(found))
    while len(outside):
        left, right = found[outside] >> np.uint64(bits), found[outside] & mask
        for key_of_round in rounds:
            mixed = (right + key_of_round) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
        found[outside] = left << np.uint64(bits) | right
        outside = outside[found[outside] >= count]
    return found.astype(np.int64)


class Stream:
    """Endless micro-batches of one manifest, epoch after epoch. Its state is two integers.

    Where there are more than `MOST_ROWS` utterances an `epoch` is a part of them, drawn at random; as many as hold them
    all are one pass.
    """

    def __init__(self, seconds: FloatArray, grid: Grid, jitter: float, seed: int) -> None:
        self._seconds, self._grid, self._jitter, self._seed = seconds, grid, jitter, seed
        self._parts = max(1, -(-len(seconds) // MOST_ROWS))
        self.epoch = 0
        self.offset = 0
        self._plans: dict[int, list[MicroBatch]] = {}
        self._means: dict[int, float] = {}

    def seek(self, epoch: int, offset: int) -> None:
        """Go to a position that was read from `epoch` and `offset`."""
        self.epoch, self.offset = epoch, offset

    def _plan(self, epoch: int) -> list[MicroBatch]:
        if epoch not in self._plans:
            rows = self._rows(epoch)
            seconds = self._seconds if rows is None else self._seconds[rows]
            plan = plan_epoch(seconds, self._grid, self._jitter, self._seed, epoch)
            self._plans[epoch] = plan if rows is None else [MicroBatch(rows[b.rows], b.frames) for b in plan]
            self._means[epoch] = float(seconds.sum()) / max(1, len(plan))
        return self._plans[epoch]

    @property
    def mean_seconds(self) -> float:
        """Audio of a micro-batch, without padding, in the mean of the epoch that the next one is of."""
        epoch = self.epoch if self.offset < len(self._plan(self.epoch)) else self.epoch + 1
        self._plan(epoch)
        return self._means[epoch]

    def _rows(self, epoch: int) -> IntArray | None:
        """The utterances of an epoch; None for all."""
        if self._parts == 1:
            return None
        turn, part = divmod(epoch, self._parts)
        count = len(self._seconds)
        places = np.arange(part * count // self._parts, (part + 1) * count // self._parts)
        # Keys of plans are smaller. In order of the file, for mapped columns.
        return np.sort(shuffled(places, count, (self._seed, (1 << 62) + turn)))

    def at(self, position: tuple[int, int]) -> MicroBatch:
        """The micro-batch at an epoch and offset. Raises IndexError where the epoch has fewer."""
        return self._plan(position[0])[position[1]]

    def forget(self, needed: Iterable[int]) -> None:
        """Keep no plans but those of the `needed` epochs and the present one."""
        kept = {*needed, self.epoch}
        self._plans = {epoch: plan for epoch, plan in self._plans.items() if epoch in kept}
        self._means = {epoch: mean for epoch, mean in self._means.items() if epoch in kept}

    def next(self) -> tuple[int, int]:
        """Position of the next micro-batch. Where an epoch ends, the next one begins."""
        if self.offset >= len(self._plan(self.epoch)):
            self.epoch, self.offset = self.epoch + 1, 0
            self.forget(())
        position = self.epoch, self.offset
        self.offset += 1
        return position

    def take(self, count: int) -> list[MicroBatch]:
        """The next `count` micro-batches."""
        return [self.at(self.next()) for _ in range(count)]


def _pieces(
    order: Sequence[int], rank: int, world_size: int, to_and_fro: bool, forwards: bool
) -> list[tuple[int, int, int]]:
    """This rank's micro-batches of a kind: index in `order`'s terms, part, and parts that the micro-batch is cut into.

    Whole ones are dealt out to and fro, so that large and small meet; the rest are cut so that every rank has as many
    pieces as any other.
    """
    rounds, rest = divmod(len(order), world_size)
    found: list[tuple[int, int, int]] = []
    for turn in range(rounds):
        place = rank if not to_and_fro or (turn % 2 == 0) == forwards else world_size - 1 - rank
        found.append((order[turn * world_size + place], 0, 1))
    parts = world_size // math.gcd(rest, world_size) if rest else 1
    for turn, piece in enumerate(range(rank, rest * parts, world_size)):
        # The first parts hold one utterance more where their number does not come out even: not always the same rank's.
        found.append((order[rounds * world_size + piece // parts], (piece + turn) % parts, parts))
    return found


def share_out(
    batches: Sequence[tuple[Hashable, MicroBatch]],
    rank: int,
    world_size: int,
    frames: int,
    balanced: bool = True,
) -> list[tuple[int, MicroBatch]]:
    """This rank's part of a global batch, each with its index in the global batch, in that order.

    Every rank has as many pieces of each kind as any other, in the same order of kinds, so that none waits: whole
    micro-batches as far as their number goes, and parts of the rest, by utterances. What is more than a device takes is
    cut once more. With more ranks than utterances some parts are empty.

    Args:
        batches: micro-batches, each with its kind.
        rank: this one.
        world_size: how many there are.
        frames: of features, padding included, that a device takes at a time.
        balanced: whether large and small are mixed; else the n-th micro-batches of all kinds go to one rank, whatever
            the number of ranks.
    """
    found: list[tuple[int, MicroBatch]] = []
    for number, kind in enumerate(dict.fromkeys(kind for kind, _ in batches)):
        of_kind = [i for i, (k, _) in enumerate(batches) if k == kind]
        # Where a rank has much of one kind it has little of the next.
        order = sorted(of_kind, key=lambda i: -len(batches[i][1].rows) * batches[i][1].frames) if balanced else of_kind
        pieces = _pieces(order, rank, world_size, balanced, forwards=number % 2 == 0)
        # As often on all ranks, whatever their pieces hold.
        cuts = {
            parts: max(batches[i][1].part(0, parts).parts_within(frames) for i in of_kind)
            for parts in {parts for _, _, parts in pieces}
        }
        for i, part, parts in sorted(pieces):
            piece = batches[i][1].part(part, parts)
            found += [(i, piece.part(cut, cuts[parts])) for cut in range(cuts[parts])]
    return found
