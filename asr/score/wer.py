"""Word and character errors of utterances, counted as jiwer counts them where single spaces part words.

The edit distance is rapidfuzz's, the one under jiwer, called without jiwer's bookkeeping. Words are what
`str.split` gives; characters include the single space between words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Unit = Literal["word", "char"]


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of one utterance, or of many added up. All counts are in words, or all in characters."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    hits: int = 0

    @property
    def reference_length(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference unit: 0.25 is 25 %, and more than 1 is possible.

        An empty reference counts as one unit long, as in jiwer, so that insertions into silence are seen.
        """
        return self.errors / max(self.reference_length, 1)

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.hits + other.hits,
        )


def add_counts(counts: Sequence[ErrorCounts]) -> ErrorCounts:
    """The same as `sum(counts, ErrorCounts())`, quicker for many."""
    return ErrorCounts(
        sum(count.substitutions for count in counts),
        sum(count.deletions for count in counts),
        sum(count.insertions for count in counts),
        sum(count.hits for count in counts),
    )


class AlignedWord(NamedTuple):
    """One column of an alignment: `reference` is None for an insertion, `hypothesis` for a deletion."""

    kind: Literal["hit", "sub", "del", "ins"]
    reference: str | None
    hypothesis: str | None


def _count(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    if reference == hypothesis:
        return ErrorCounts(hits=len(reference))
    substitutions = deletions = insertions = hits = 0
    for step in Levenshtein.opcodes(reference, hypothesis):
        if step.tag == "equal":
            hits += step.src_end - step.src_start
        elif step.tag == "replace":
            substitutions += step.src_end - step.src_start
        elif step.tag == "delete":
            deletions += step.src_end - step.src_start
        else:
            insertions += step.dest_end - step.dest_start
    return ErrorCounts(substitutions, deletions, insertions, hits)


def count_errors(references: Sequence[str], hypotheses: Sequence[str], unit: Unit) -> list[ErrorCounts]:
    """Errors of each utterance; a corpus's counts are `sum(counts, ErrorCounts())`.

    Args:
        references: one text per utterance.
        hypotheses: as many texts, in the same order.
        unit: count words, or characters (spaces between words included).

    Raises:
        ValueError: the two are not equally long.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references but {len(hypotheses)} hypotheses")
    counts: list[ErrorCounts] = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        words, heard = reference.split(), hypothesis.split()
        if unit == "word":
            counts.append(_count(words, heard))
        else:
            counts.append(_count(" ".join(words), " ".join(heard)))
    return counts


def align(reference: str, hypothesis: str) -> list[AlignedWord]:
    """The words of both texts side by side, with the same errors that `count_errors` counts."""
    return align_words(reference.split(), hypothesis.split())


def align_words(words: Sequence[str], heard: Sequence[str]) -> list[AlignedWord]:
    """`align` of texts that are parted already."""
    columns: list[AlignedWord] = []
    begin = 0
    for position, error in find_errors(words, heard):
        columns += [AlignedWord("hit", word, word) for word in words[begin:position]]
        columns.append(error)
        begin = position + (error.reference is not None)
    return columns + [AlignedWord("hit", word, word) for word in words[begin:]]


def find_errors(words: Sequence[str], heard: Sequence[str]) -> list[tuple[int, AlignedWord]]:
    """What `align_words` finds but the words that are right, and how many words of the reference come before each."""
    found: list[tuple[int, AlignedWord]] = []
    for step in Levenshtein.editops(words, heard):
        position, other = step.src_pos, step.dest_pos
        if step.tag == "replace":
            found.append((position, AlignedWord("sub", words[position], heard[other])))
        elif step.tag == "delete":
            found.append((position, AlignedWord("del", words[position], None)))
        else:
            found.append((position, AlignedWord("ins", None, heard[other])))
    return found
