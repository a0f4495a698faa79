"""Every utterance of one or more recognizers, aligned and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from asr.score.columns import Column, merge_alignments
from asr.score.significance import MatchedPairs, PairedBootstrap, cut_segments, matched_pairs, paired_bootstrap
from asr.score.trn import LEVENSHTEIN, SCLITE, WordGraph, align_graph, align_sclite
from asr.score.wer import AlignedWord, ErrorCounts, add_counts, align, count_columns, count_errors, find_errors

Weights = Literal["levenshtein", "sclite"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What does not depend on a recognizer."""

    id: str
    speaker: str
    subset: str


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One hypothesis, beside that reading of its reference which fits it best."""

    reference: str
    hypothesis: str
    words: ErrorCounts
    characters: ErrorCounts
    errors: list[AlignedWord]
    """The alignment without the words that are right."""
    kept_alignment: list[AlignedWord] | None = None
    """The whole alignment, where `align` would not find the same."""

    @property
    def alignment(self) -> list[AlignedWord]:
        return align(self.reference, self.hypothesis) if self.kept_alignment is None else self.kept_alignment


def score_text(reference: str | WordGraph, hypothesis: str, weights: Weights) -> ScoredText:
    """Align by words and count.

    Args:
        reference: a text, or the graph of several readings.
        hypothesis: a text.
        weights: `levenshtein` makes as few errors as possible, as jiwer and most others; `sclite` counts as
            NIST's scorer, at costs of 4 for a substitution and 3 for a deletion or insertion. sclite's word
            error rate may then be the higher one, and its split into kinds of errors is often another.
    """
    heard = hypothesis.split()
    kept: list[AlignedWord] | None = None
    if not isinstance(reference, str):
        kept = align_graph(reference, heard, LEVENSHTEIN if weights == "levenshtein" else SCLITE)
        reference = " ".join(word.reference for word in kept if word.reference is not None)
    words = reference.split()
    if words == heard:
        hits = ErrorCounts(hits=len(words))
        return ScoredText(reference, hypothesis, hits, ErrorCounts(hits=len(" ".join(words))), [])
    if weights == "levenshtein":
        # Whatever reading was chosen is counted as if it had been the only one.
        kept = None
        errors = find_errors(words, heard)
    else:
        kept = align_sclite(words, heard) if kept is None else kept
        errors = [word for word in kept if word.kind != "hit"]
    characters = count_errors([reference], [hypothesis], "char")[0]
    return ScoredText(reference, hypothesis, count_columns(errors, len(words)), characters, errors, kept)


@dataclass(frozen=True)
class System:
    """One recognizer's hypotheses, in the order of the utterances."""

    name: str
    texts: list[ScoredText]

    def confusions(self) -> dict[str, Counter[tuple[str, ...]]]:
        """How often each word was taken for another, deleted and inserted, by kind of error."""
        found: dict[str, Counter[tuple[str, ...]]] = {kind: Counter() for kind in ("sub", "del", "ins")}
        for text in self.texts:
            for kind, reference, hypothesis in text.errors:
                found[kind][tuple(word for word in (reference, hypothesis) if word is not None)] += 1
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
    weights: Weights
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
        counts = [add_counts([s.texts[row].words for s in self.systems]) for row in range(len(self.utterances))]
        wrong = [row for row, count in enumerate(counts) if count.errors]
        return sorted(wrong, key=lambda r: (-counts[r].errors, -counts[r].rate, self.utterances[r].id))[:most]

    def compare(self) -> list[Comparison]:
        """Every pair of systems."""
        speakers = [utterance.speaker for utterance in self.utterances]
        pairs = [(a, b) for row, a in enumerate(self.systems) for b in self.systems[row + 1 :]]
        return [
            Comparison(
                first.name,
                second.name,
                paired_bootstrap(
                    [t.words for t in first.texts], [t.words for t in second.texts], speakers, self.seed, self.resamples
                ),
                matched_pairs(
                    segment for texts in zip(first.texts, second.texts, strict=True) for segment in _cut(*texts)
                ),
            )
            for first, second in pairs
        ]


def _cut(first: ScoredText, second: ScoredText) -> Sequence[tuple[int, int]]:
    if not first.errors and not second.errors:
        return []
    if first.reference != second.reference:
        return [(first.words.errors, second.words.errors)]
    return list(cut_segments(merge_alignments([first.alignment, second.alignment])))
