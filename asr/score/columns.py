"""Alignments of several hypotheses with one reference, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from asr.score.wer import AlignedWord

Column = tuple[str | None, ...]
"""The word of the reference, then that of each hypothesis; None where a text has none. A hypothesis that has a
word where the reference has none inserted it, the reverse is a deletion, and two words that differ are a
substitution."""


def _inserted(alignment: Sequence[AlignedWord]) -> dict[int, list[str | None]]:
    """Inserted words by how many words of the reference come before them."""
    found: dict[int, list[str | None]] = {}
    position = 0
    for kind, _, hypothesis in alignment:
        if kind == "ins":
            found.setdefault(position, []).append(hypothesis)
        else:
            position += 1
    return found


def merge_alignments(alignments: Sequence[Sequence[AlignedWord]]) -> list[Column]:
    """One column for each word of the reference, and between them columns of inserted words.

    Raises:
        ValueError: the alignments are of different references.
    """
    reference, *others = ([word[1] for word in alignment if word[1] is not None] for alignment in alignments)
    if any(other != reference for other in others):
        raise ValueError("the alignments are of different references")
    heard = ([word[2] for word in alignment if word[1] is not None] for alignment in alignments)
    words: list[Column] = list(zip(reference, *heard, strict=True))
    inserted = [_inserted(alignment) for alignment in alignments]
    columns: list[Column] = []
    begin = 0
    for position in sorted(set().union(*inserted)):
        columns += words[begin:position]
        columns += [(None, *gap) for gap in zip_longest(*(found.get(position, ()) for found in inserted))]
        begin = position
    return columns + words[begin:]
