"""Counting n-grams: texts are arrays of ids, n-grams are rows of tables, and sorting numpy arrays does the rest.

An n-gram is one whole number, the row of its first n − 1 words and its last word, whatever n is.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IdArray = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
SPECIAL = (UNKNOWN, BEGIN, END)


@dataclass(frozen=True)
class Counts:
    """The n-grams of one order as columns, `(rows,)` each; a row is an n-gram without its last word, and that word."""

    context: IdArray
    """Row of the first n − 1 words in the table of the order below; 0 for single words."""
    word: IdArray
    suffix: IdArray
    """Row of the last n − 1 words in the table of the order below."""
    begins: BoolArray
    """Whether the n-gram begins a sentence."""
    count: IdArray
    """How often it stands in the text."""


def encode_text(sentences: Iterable[Sequence[str]]) -> tuple[list[str], IdArray]:
    """The words by id, `SPECIAL` first, and the ids of all sentences in a row, each between `BEGIN` and `END`."""
    ids = {word: row for row, word in enumerate(SPECIAL)}
    text = array("i")
    for sentence in sentences:
        if sentence:
            text.append(1)
            # A word that is written like a special one is none.
            text.extend(0 if word in SPECIAL else ids.setdefault(word, len(ids)) for word in sentence)
            text.append(2)
    return list(ids), np.frombuffer(text, dtype=np.int32) if text else np.zeros(0, dtype=np.int32)


def bound_vocabulary(
    words: list[str], text: IdArray, most: int | None, least: int, named: Collection[str]
) -> tuple[list[str], IdArray]:
    """Words and text with `UNKNOWN` in the place of every word that is neither frequent enough nor named.

    Args:
        words: by id.
        text: ids.
        most: only so many words, the most frequent, are frequent enough; of equals the earlier ones.
        least: and of these only what occurs more often than this.
        named: words that are kept however rare they are. What the text lacks is added.
    """
    counts = np.bincount(text, minlength=len(words))
    frequent = np.zeros(len(words), dtype=bool)
    frequent[np.argsort(-counts[3:], kind="stable")[:most] + 3] = True
    frequent &= counts > least
    frequent[:3] = True
    frequent |= np.fromiter((word in named for word in words), dtype=bool, count=len(words))
    number = np.where(frequent, np.cumsum(frequent) - 1, 0).astype(np.int32)
    kept = [word for word, keep in zip(words, frequent.tolist(), strict=True) if keep]
    return [*kept, *sorted(set(named) - set(kept))], number[text]


def _group(keys: IntArray) -> tuple[IntArray, IntArray, IntArray, IdArray]:
    """The different keys in order, where one of each stands, how many there are, and the number of each key's own."""
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
    count = np.diff(first, append=len(keys))
    found, one = keys[first], order[first]
    number = np.empty(len(keys), dtype=np.int32)
    number[order] = np.repeat(np.arange(len(found), dtype=np.int32), count)
    return found, one, count, number


def count_ngrams(text: IdArray, order: int, vocabulary: int) -> list[Counts]:
    """Tables of orders 1 to `order`, sorted by context and word. None of their n-grams spans two sentences.

    Args:
        text: ids as `encode_text` makes them.
        order: longest n-gram, in words.
        vocabulary: number of ids.
    """
    begin = SPECIAL.index(BEGIN)
    # Every word has a row of its own, whether the text has it or not.
    unigrams = np.arange(vocabulary, dtype=np.int32)
    none = np.zeros_like(unigrams)
    count = np.bincount(text, minlength=vocabulary).astype(np.int32)
    tables = [Counts(none, unigrams, none, unigrams == begin, count)]
    row = text
    for _ in range(1, order):
        # Nothing but a beginning follows on an end.
        positions = np.flatnonzero((row[:-1] >= 0) & (text[1:] != begin)) + 1
        found, one, occurrences, number = _group(row[positions - 1] * np.int64(vocabulary) + text[positions])
        context = (found // vocabulary).astype(np.int32)
        word = (found % vocabulary).astype(np.int32)
        begins = tables[-1].begins[context]
        tables.append(Counts(context, word, row[positions[one]], begins, occurrences.astype(np.int32)))
        row = np.full(len(text), -1, dtype=np.int32)
        row[positions] = number
    return tables
