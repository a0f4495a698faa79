"""Every utterance of one or more recognizers, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from asr.score.columns import Column, merge_alignments
from asr.score.significance import MatchedPairs, PairedBootstrap, cut_segments, matched_pairs, paired_bootstrap
from asr.score.texts import Method, ScoredText, Totals


class Utterance(NamedTuple):
    """What does not depend on a recognizer."""

    id: str
    speaker: str
    subset: str


@dataclass(frozen=True)
class System:
    """One recognizer's hypotheses, in the order of the utterances."""

    name: str
    texts: list[ScoredText]
    totals: Totals

    def confusions(self) -> dict[str, Counter[tuple[str, ...]]]:
        """How often each word was taken for another, deleted and inserted, by kind of error."""
        errors = Counter(error for text in self.texts for error in text.errors)
        found: dict[str, Counter[tuple[str, ...]]] = {kind: Counter() for kind in ("sub", "del", "ins")}
        for (kind, reference, hypothesis), times in errors.items():
            found[kind][tuple(word for word in (reference, hypothesis) if word is not None)] = times
        return found


@dataclass(frozen=True)
class Comparison:
    """Two recognizers on the same utterances; differences are the second's minus the first's."""

    first: str
    second: str
    bootstrap: PairedBootstrap
    matched_pairs: MatchedPairs


@dataclass(frozen=True)
class Scoring:
    """All that is printed, written and drawn. `warnings` are sentences about what did not match."""

    reference: str
    normaliser: str
    method: Method
    utterances: list[Utterance]
    systems: list[System]
    seed: int = 0
    resamples: int = 1000
    warnings: list[str] = field(default_factory=list)

    def groups(self, key: Callable[[Utterance], str]) -> dict[str, list[int]]:
        """Rows of the utterances of each speaker, say, by name and in the names' order."""
        rows: dict[str, list[int]] = {}
        for row, utterance in enumerate(self.utterances):
            rows.setdefault(key(utterance), []).append(row)
        return dict(sorted(rows.items()))

    def blocks(self, row: int) -> list[tuple[list[System], list[Column]]]:
        """The aligned columns of an utterance. Systems for which a reference is read differently stand apart."""
        together: dict[str, list[System]] = {}
        for system in self.systems:
            together.setdefault(system.texts[row].reference, []).append(system)
        return [
            (systems, merge_alignments([system.texts[row].alignment for system in systems]))
            for systems in together.values()
        ]

    def worst(self, most: int) -> list[int]:
        """Rows of the utterances with most errors, those of all systems added up; ties: the higher rate, the id."""
        errors = np.sum([system.totals.errors for system in self.systems], axis=0)
        rates = errors / np.maximum(np.sum([system.totals.lengths for system in self.systems], axis=0), 1)
        wrong = np.flatnonzero(errors)
        if 0 < most < len(wrong):
            least = np.partition(errors[wrong], -most)[-most]
            wrong = wrong[errors[wrong] >= least]
        ranked = sorted(wrong.tolist(), key=lambda row: (-errors[row], -rates[row], self.utterances[row].id))
        return ranked[:most]

    def compare(self) -> list[Comparison]:
        """Every pair of systems."""
        speakers = [utterance.speaker for utterance in self.utterances]
        pairs = [(a, b) for row, a in enumerate(self.systems) for b in self.systems[row + 1 :]]
        return [
            Comparison(
                first.name,
                second.name,
                paired_bootstrap(first.totals, second.totals, speakers, self.seed, self.resamples),
                matched_pairs(segment for row in range(len(speakers)) for segment in _cut(first, second, row)),
            )
            for first, second in pairs
        ]


def _cut(first: System, second: System, row: int) -> Sequence[tuple[int, int]]:
    one, other = first.texts[row], second.texts[row]
    if not one.errors and not other.errors:
        return []
    if one.reference != other.reference:
        return [(int(first.totals.words[row, :3].sum()), int(second.totals.words[row, :3].sum()))]
    return list(cut_segments(merge_alignments([one.alignment, other.alignment])))
