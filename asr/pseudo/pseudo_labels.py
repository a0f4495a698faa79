"""What a run keeps of its pseudo-labels from step to step, and what of them it trains on."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from asr.config import PseudoConfig
from asr.data.batching import FloatArray
from asr.data.tokens import Tokenizer
from asr.decode.search import Search
from asr.pseudo.filters import LabelFilter, dropped_for
from asr.pseudo.label import Label, difference
from asr.pseudo.labeler import read_labels
from asr.pseudo.store import LabelStore
from asr.sums import addable

TURNS = 4
"""How often the turnover that follows churn is set anew in the time of a cache."""
SAMPLE = 2000
"""Utterances, evenly apart, whose last label is always kept, so that the log can say how fast labels change."""

Made = tuple[int, int, Label]
"""A label with the step and the place in it at which it was made."""


@dataclass
class Tally:
    """What became of labels, counted over utterances; `seconds` are those of all labels made."""

    made: int = 0
    kept: int = 0
    empty: int = 0
    tokens: int = 0
    seconds: float = 0.0
    log_prob: float = 0.0
    churn: float = 0.0
    compared: int = 0
    """Labels that had one before."""
    kept_seconds: float = 0.0
    """Audio of the labels that are trained on."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""

    def count(self, label: Label, seconds: float) -> None:
        """A label that was made now."""
        self.made += 1
        self.empty += not label.tokens
        self.tokens += len(label.tokens)
        self.seconds += seconds
        self.log_prob += label.mean_log_prob
        if not math.isnan(label.churn):
            self.churn += label.churn
            self.compared += 1


class PseudoLabels:
    """Store, filter and turnover, the same on every rank."""

    def __init__(
        self,
        settings: PseudoConfig,
        tokenizer: Tokenizer,
        seconds: FloatArray,
        labeled_rate: float,
        stored: LabelStore | None = None,
        search: Search | None = None,
    ) -> None:
        """
        Args:
            settings: filters and cache.
            tokenizer: the model's.
            seconds: of each utterance without text, `(rows,)`.
            labeled_rate: tokens a second of labeled audio.
            stored: labels that there are from the start: true ones, or from a folder. They are not filtered here.
            search: finds labels on the host, where the settings want one that does.
        """
        self._settings, self._tokenizer, self._seconds, self._search = settings, tokenizer, seconds, search
        self._given = stored is not None
        self.store = LabelStore(len(seconds)) if stored is None else stored
        self.filter = LabelFilter(settings, labeled_rate)
        self._by_churn = settings.turnover == "churn"
        # Where churn decides on anything, the last label of every utterance is what it is measured against.
        self._compares = self._by_churn or settings.max_churn is not None
        self._apart = max(1, math.ceil(len(seconds) / SAMPLE))
        self._waiting: list[Made] = []
        self.turnover = 1.0 if self._by_churn else settings.cache_turnover
        self._churn, self._compared = 0.0, 0

    @property
    def shared(self) -> bool:
        """Whether a step's labels must be known on every rank."""
        return self._settings.caches or self._compares or self.filter.looks_back

    def _remembers(self, row: int) -> bool:
        return self._compares or row % self._apart == 0

    def read(self, packed: Tensor, rows: Sequence[int], hour: float) -> list[Label]:
        """The labels of a batch, once the device has made them."""
        maker = f"{self._settings.labels}, {self._settings.search}"
        labels = read_labels(packed, rows, self._tokenizer, hour, maker, self._search)
        return [self._compare(label) for label in labels] if self.shared else labels

    def _compare(self, label: Label) -> Label:
        before = self.store.tokens(label.row) if self._remembers(label.row) else None
        return label if before is None else dataclasses.replace(label, churn=difference(before, label.tokens))

    def wait(self, step: int, made: Sequence[tuple[int, Label]]) -> None:
        """Keep what this rank has labeled of the sample until `settle`, where labels are not shared at each step."""
        self._waiting += [(step, place, label) for place, label in made if self._remembers(label.row)]

    def waiting(self) -> list[Made]:
        """What `wait` has kept; it is not kept any longer."""
        made, self._waiting = self._waiting, []
        return made

    def settle(self, made: Sequence[Made]) -> tuple[float, int]:
        """Compare labels of all ranks with the ones before: the sum of their churn, and how many had one before."""
        churn, compared = 0.0, 0
        for *_, label in sorted(made, key=lambda one: (one[0], one[1], one[2].row)):
            if not math.isnan((newer := self._compare(label)).churn):
                churn, compared = churn + addable(newer.churn), compared + 1
            self.store.put(newer)
        return churn, compared

    def stored(self, rows: Sequence[int]) -> list[Label]:
        """The labels that utterances have; an empty one where there is none."""
        return [self.store[row] if row in self.store else Label(row, ()) for row in rows]

    def targets(self, labels: Sequence[Label], hours: float, tally: Tally) -> list[list[int]]:
        """Tokens to train on; none for a label that is dropped, and `tally` says why."""
        bounds = None if self._given else self.filter.bounds(hours)
        found: list[list[int]] = []
        for label in labels:
            seconds = float(self._seconds[label.row])
            reason = None if bounds is None else dropped_for(label, seconds, bounds)
            if reason is None:
                tally.kept += 1
                tally.kept_seconds += seconds
            else:
                tally.dropped[reason] += 1
            found.append([] if reason else list(label.tokens))
        return found

    def count(self, labels: Sequence[Label], tally: Tally) -> None:
        """Count labels that were made now."""
        for label in labels:
            tally.count(label, float(self._seconds[label.row]))

    def take_up(self, labels: Sequence[Label], released: Sequence[int], before: float, after: float) -> None:
        """Keep what a step has labeled, on all ranks, in the same order, and forget what nobody will ask for.

        Args:
            labels: of all ranks.
            released: utterances that have left the cache.
            before: hour of audio before the step.
            after: and after it.
        """
        self.filter.see(labels)
        for label in labels:
            if self._settings.caches or self._remembers(label.row):
                self.store.put(label)
        for row in released:
            if not self._remembers(row):
                self.store.drop(row)
        if self._by_churn:
            known = [label.churn for label in labels if not math.isnan(label.churn)]
            self._churn, self._compared = self._churn + sum(known), self._compared + len(known)
            every = self._settings.cache_hours / TURNS
            if math.floor(after / every) > math.floor(before / every) and self._compared:
                measured = self._churn / self._compared
                self.turnover = min(1.0, max(self._settings.cache_turnover, measured))
                self._churn, self._compared = 0.0, 0

    def kept(self) -> LabelStore:
        """What a checkpoint must hold: labels that were made in training."""
        return LabelStore(0) if self._given else self.store

    def state(self) -> dict[str, Any]:
        """All but the store, as JSON knows it."""
        return {
            "turnover": self.turnover,
            "churn": [self._churn, self._compared],
            "recent": list(self.filter.recent),
        }

    def restore(self, state: dict[str, Any], labels: Sequence[Label]) -> None:
        """Take up what `state` and the store's columns were read from. Raises KeyError, TypeError or ValueError."""
        self.turnover = float(state["turnover"])
        churn, compared = state["churn"]
        self._churn, self._compared = float(churn), int(compared)
        self.filter.recent.clear()
        self.filter.recent.extend(map(float, state["recent"]))
        if not self._given:
            self.store = LabelStore(len(self._seconds), labels)


def tokens_per_second(store: LabelStore, seconds: FloatArray) -> float:
    """Of all audio that has a label."""
    rows = np.flatnonzero([row in store for row in range(len(seconds))])
    tokens = sum(len(store.tokens(int(row)) or ()) for row in rows)
    return tokens / max(float(seconds[rows].sum()), 1e-9)
