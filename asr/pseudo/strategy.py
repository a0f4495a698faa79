"""From settings to which utterances a step trains on, and with whose labels: a pure function of (seed, step)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asr.config import PseudoConfig
from asr.data.batching import MicroBatch, Stream

Use = Literal["text", "now", "stored", "label"]
"""text: trained on with its transcript; now: labeled and trained on; stored: trained on with the label that it has;
label: labeled for later."""

Position = tuple[int, int]
"""Epoch and micro-batch of a stream."""

TRAINED: tuple[Use, ...] = ("text", "now", "stored")
LABELED: tuple[Use, ...] = ("now", "label")


def draws(seed: int, step: int, purpose: int) -> np.random.Generator:
    """Random numbers of a step: there is no generator state, and none that depends on ranks or on reading ahead."""
    # Dropout's keys lie below.
    return np.random.Generator(np.random.Philox(key=[seed, (purpose << 61) + step]))


def draw_kind(settings: PseudoConfig, share: float, seed: int, step: int) -> tuple[bool, bool]:
    """Whether an update has labeled, and whether it has unlabeled audio."""
    if settings.mixing == "batch":
        return share < 1, share > 0
    unlabeled = draws(seed, step, 1).random() < share
    return not unlabeled, unlabeled


@dataclass(frozen=True)
class Taken:
    """The unlabeled part of a step."""

    batches: list[tuple[Use, MicroBatch]]
    released: tuple[int, ...] = ()
    """Utterances whose labels nobody will ask for."""


class Cache:
    """Micro-batches whose labels are kept and trained on again: slimIPL's cache (Likhomanenko et al., Interspeech 2021,
    §3.2), in hours.

    While it is not full every micro-batch is new: it is labeled, trained on and kept. From then on some are drawn from
    it, and each is replaced with probability p after use, by a new one that is labeled and trained on later. So a label
    is used 1/p times on average and lives for `cache_hours` / p hours of unlabeled audio, at every κ.
    """

    def __init__(self, stream: Stream, size: int, seed: int) -> None:
        """`size` is in micro-batches."""
        self._stream, self._seed = stream, seed
        self.size = size
        self.slots: tuple[Position, ...] = ()
        self._rows: Counter[int] = Counter()

    def seek(self, slots: tuple[Position, ...]) -> None:
        """Go to where `slots` was read."""
        self.slots = slots
        self._rows = Counter(row for slot in slots for row in self._stream.at(slot).rows.tolist())

    def holds(self, row: int) -> bool:
        """Whether an utterance's label may still be asked for."""
        return self._rows[row] > 0

    def take(self, count: int, step: int, turnover: float) -> Taken:
        """The unlabeled micro-batches of a step: `count` to be trained on, and those that are labeled for later.

        Args:
            count: how many.
            step: keys the draws.
            turnover: p.
        """
        slots = list(self.slots)
        found: list[tuple[Use, MicroBatch]] = []
        new = max(0, min(count, self.size - len(slots)))
        # What comes in by this step has no label yet that could be drawn.
        known = len(slots)
        for _ in range(new):
            slots.append(self._stream.next())
            self._rows.update(self._stream.at(slots[-1]).rows.tolist())
            found.append(("now", self._stream.at(slots[-1])))
        random = draws(self._seed, step, 2)
        drawn = random.permutation(known)[: count - new].tolist()
        released: list[int] = []
        for slot, chance in zip(drawn, random.random(len(drawn)).tolist(), strict=True):
            found.append(("stored", self._stream.at(slots[slot])))
            if chance < turnover:
                released += self._stream.at(slots[slot]).rows.tolist()
                self._rows.subtract(self._stream.at(slots[slot]).rows.tolist())
                slots[slot] = self._stream.next()
                self._rows.update(self._stream.at(slots[slot]).rows.tolist())
                found.append(("label", self._stream.at(slots[slot])))
        self.slots = tuple(slots)
        self._stream.forget({epoch for epoch, _ in slots})
        return Taken(found, tuple(row for row in released if not self._rows[row]))
