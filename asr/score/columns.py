"""Alignments of several hypotheses with one reference, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from asr.score.wer import AlignedWord

Column = tuple[str | None, ...]
"""The word of the reference, then that of each hypothesis; None where a text has none. A hypothesis that has a
word where the reference has none inserted it, the reverse is a deletion, and two words that differ are a
substitution."""


def _runs(alignment: Sequence[AlignedWord]) -> tuple[list[list[str | None]], list[str | None]]:
    """The words inserted before each word of the reference and behind the last, and those heard for each."""
    inserted: list[list[str | None]] = [[]]
    heard: list[str | None] = []
    for word in alignment:
        if word.kind == "ins":
            inserted[-1].append(word.hypothesis)
        else:
            heard.append(word.hypothesis)
            inserted.append([])
    return inserted, heard


def merge_alignments(alignments: Sequence[Sequence[AlignedWord]]) -> list[Column]:
    """One column for each word of the reference, and between them columns of inserted words.

    Raises:
        ValueError: the alignments are of different references.
    """
    reference = [word.reference for word in alignments[0] if word.reference is not None]
    if any([w.reference for w in other if w.reference is not None] != reference for other in alignments[1:]):
        raise ValueError("the alignments are of different references")
    runs = [_runs(alignment) for alignment in alignments]
    columns: list[Column] = []
    for position in range(len(reference) + 1):
        gaps = [inserted[position] for inserted, _ in runs]
        columns += [(None, *words) for words in zip_longest(*gaps)]
        if position < len(reference):
            columns.append((reference[position], *(heard[position] for _, heard in runs)))
    return columns
