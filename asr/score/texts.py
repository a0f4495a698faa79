"""All utterances of one recognizer, aligned with their references and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from asr.score.alternatives import WordGraph, linear_graph
from asr.score.sclite import LEVENSHTEIN, SCLITE, STRICT, Alignment, Leniency, align_graphs
from asr.score.sclite import align_words as align_as_sclite
from asr.score.wer import AlignedWord, ErrorCounts, align_words, find_errors

IntArray = npt.NDArray[np.int64]
Weights = Literal["levenshtein", "sclite"]


def words_of(text: str) -> list[str]:
    """The words of a text whose words are parted by single blanks. Other white space belongs to them."""
    return text.split(" ") if text else []


@dataclass(frozen=True)
class Method:
    """How texts are aligned."""

    weights: Weights = "levenshtein"
    """`levenshtein` makes as few errors as possible, as jiwer and most others; `sclite` counts as NIST's scorer. Its
    word error rate may then be the higher one, and its split into kinds of errors is often another."""
    leniency: Leniency = STRICT
    """For sclite's weights alone."""

    def __str__(self) -> str:
        allowed = [("fragments", self.leniency.fragments), ("optional words", self.leniency.optional)]
        return ", ".join([self.weights, *(name for name, is_allowed in allowed if is_allowed)])


class ScoredText(NamedTuple):
    """A hypothesis beside its reference: of texts with several readings, the two that fit best."""

    reference: str
    """Words, parted by single blanks."""
    hypothesis: str
    errors: Sequence[AlignedWord]
    """The alignment without the words that are right."""
    kept_alignment: Sequence[AlignedWord] | None = None
    """The whole alignment, where `align_words` would not find the same."""

    @property
    def alignment(self) -> Sequence[AlignedWord]:
        if self.kept_alignment is not None:
            return self.kept_alignment
        return align_words(words_of(self.reference), words_of(self.hypothesis))


class Totals(NamedTuple):
    """Errors of many utterances, a row for each."""

    words: IntArray
    """Substitutions, deletions, insertions and right words, `(utterances, 4)`."""
    letters: IntArray
    """Errors, and characters of the reference, blanks between words included, `(utterances, 2)`."""

    @property
    def errors(self) -> IntArray:
        """Wrong words, `(utterances,)`."""
        found: IntArray = self.words[:, :3].sum(axis=1)
        return found

    @property
    def lengths(self) -> IntArray:
        """Words of the reference, `(utterances,)`."""
        found: IntArray = self.words.sum(axis=1) - self.words[:, 2]
        return found

    def of(self, rows: Sequence[int]) -> Totals:
        """The same of some utterances."""
        return Totals(self.words[rows], self.letters[rows])

    def counts(self, row: int) -> ErrorCounts:
        return ErrorCounts(*self.words[row].tolist())


def _align_readings(
    reference: str | WordGraph, hypothesis: str | WordGraph, method: Method
) -> tuple[str, str, Alignment]:
    """The readings of both that fit best, and their alignment."""
    said, heard = (linear_graph(words_of(text)) if isinstance(text, str) else text for text in (reference, hypothesis))
    costs = LEVENSHTEIN if method.weights == "levenshtein" else SCLITE
    found = align_graphs(said, heard, costs, method.leniency)
    spoken = " ".join(word.reference for word in found.words if word.reference is not None)
    written = " ".join(word.hypothesis for word in found.words if word.hypothesis is not None)
    return spoken, written, found


def align_texts(
    references: Sequence[str | WordGraph], hypotheses: Sequence[str | WordGraph], method: Method
) -> tuple[list[ScoredText], Totals]:
    """Align by words, and count words and characters.

    Args:
        references: of each utterance a text, its words parted by single blanks, or the graph of several readings.
        hypotheses: as many, likewise.
        method: how to align.

    Raises:
        ValueError: the two are not equally many.
    """
    texts: list[ScoredText] = []
    words: list[tuple[int, int, int, int]] = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        unsaid = 0
        kept: Sequence[AlignedWord] | None = None
        if not isinstance(reference, str) or not isinstance(hypothesis, str) or method.leniency != STRICT:
            reference, hypothesis, found = _align_readings(reference, hypothesis, method)
            unsaid = found.unsaid
            # With fewest errors, whatever readings were chosen are counted as if they had been the only ones.
            kept = None if method.weights == "levenshtein" else found.words
        if reference == hypothesis:
            texts.append(ScoredText(reference, hypothesis, (), kept))
            words.append((0, 0, 0, unsaid + (reference.count(" ") + 1 if reference else 0)))
            continue
        said, heard = words_of(reference), words_of(hypothesis)
        if method.weights == "levenshtein":
            errors = [error for _, error in find_errors(said, heard)]
        else:
            kept = align_as_sclite(said, heard) if kept is None else kept
            errors = [word for word in kept if word.kind != "hit"]
        texts.append(ScoredText(reference, hypothesis, errors, kept))
        kinds = [error[0] for error in errors]
        substituted, deleted = kinds.count("sub"), kinds.count("del")
        inserted = len(kinds) - substituted - deleted
        words.append((substituted, deleted, inserted, len(said) + unsaid - substituted - deleted))
    distances = cpdist(
        [text.reference for text in texts],
        [text.hypothesis for text in texts],
        scorer=Levenshtein.distance,
        dtype=np.int64,
    )
    letters = np.stack([distances, np.array([len(text.reference) for text in texts], dtype=np.int64)], axis=1)
    return texts, Totals(np.array(words, dtype=np.int64).reshape(-1, 4), letters)
