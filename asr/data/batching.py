"""Which utterances a training step sees: a pure function of (durations, settings, seed, epoch).

An epoch's utterances are sorted by length (plus a little noise) and cut into micro-batches of one length
each, which are then shuffled. Lengths are rounded up to a grid and the number of utterances follows from
the length alone, so few tensor shapes occur. The plan is made for the global batch; ranks share it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


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

    def utterances(self, frames: int) -> int:
        """Utterances in a micro-batch of `frames` frames: as near to `micro_seconds` as the cap allows."""
        seconds = frames * self.frame_seconds
        near = round(self.micro_seconds / seconds)
        return max(1, min(near, int(self.max_seconds / seconds + 1e-9)))


@dataclass(frozen=True)
class MicroBatch:
    """Rows of a manifest that are padded to `frames` feature frames and go through the model together."""

    rows: IntArray
    frames: int

    def part(self, index: int, parts: int) -> MicroBatch:
        """Every `parts`-th utterance, from `index`; with more parts than utterances some are empty."""
        return MicroBatch(self.rows[index::parts], self.frames)


def check_lengths(seconds: FloatArray, ids: Indexed, max_seconds: float) -> None:
    """Raises UserError where one utterance alone is more than a device may take at a time."""
    longest = int(seconds.argmax()) if len(seconds) else 0
    if len(seconds) and seconds[longest] > max_seconds:
        raise UserError(
            f"utterance {ids[longest]!r} lasts {seconds[longest]:.1f} s, more than batch.max_device_seconds = "
            f"{max_seconds:g}; raise that, or lower corpus.max_seconds"
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
    frames = grid.frames(seconds[order])
    batches: list[MicroBatch] = []
    start = 0
    while start < len(order):
        # Noise lets a longer utterance follow a shorter one: take the length of the longest in reach.
        reach = grid.utterances(int(frames[start]))
        longest = int(frames[start : start + reach].max())
        stop = start + grid.utterances(longest)
        batches.append(MicroBatch(order[start:stop], longest))
        start = stop
    return [batches[i] for i in rng.permutation(len(batches))]


class Stream:
    """Endless micro-batches of one manifest, epoch after epoch. Its state is two integers."""

    def __init__(self, seconds: FloatArray, grid: Grid, jitter: float, seed: int) -> None:
        self._seconds, self._grid, self._jitter, self._seed = seconds, grid, jitter, seed
        self.epoch = 0
        self.offset = 0
        self._batches: list[MicroBatch] | None = None

    def seek(self, epoch: int, offset: int) -> None:
        """Go to a position that was read from `epoch` and `offset`."""
        self.epoch, self.offset, self._batches = epoch, offset, None

    def take(self, count: int) -> list[MicroBatch]:
        """The next `count` micro-batches. Where an epoch ends, the next one begins."""
        taken: list[MicroBatch] = []
        while len(taken) < count:
            if self._batches is None:
                self._batches = plan_epoch(self._seconds, self._grid, self._jitter, self._seed, self.epoch)
            if self.offset >= len(self._batches):
                self.epoch, self.offset, self._batches = self.epoch + 1, 0, None
                continue
            taken.append(self._batches[self.offset])
            self.offset += 1
        return taken


def share_out(batches: Sequence[MicroBatch], rank: int, world_size: int) -> list[tuple[int, MicroBatch]]:
    """This rank's part of a global batch, each with its index in the global batch.

    Micro-batches go round the ranks. Ranks beyond their number share one micro-batch's utterances, so
    that no rank stands idle. Every rank gets at least one entry, if perhaps one without utterances.
    """
    count = len(batches)
    if count >= world_size:
        return [(i, batches[i]) for i in range(rank, count, world_size)]
    index = rank % count
    parts = len(range(index, world_size, count))
    return [(index, batches[index].part(rank // count, parts))]
