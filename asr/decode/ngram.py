"""N-gram language models, with interpolated modified Kneser-Ney smoothing.

Chen & Goodman, "An empirical study of smoothing techniques for language modeling" (Harvard TR-10-98), section 3.
Texts are arrays of ids and n-grams are rows of tables, so that nothing compiled is needed for some millions of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
SPECIAL = (UNKNOWN, BEGIN, END)
USUAL_DISCOUNTS = (0.5, 1.0, 1.5)
"""Where a text is too small, or too regular, to estimate them from."""


@dataclass(frozen=True)
class Table:
    """The n-grams of one order as columns, `(rows,)` each; a row is an n-gram without its last word, and that word."""

    context: IntArray
    """Row of the first n − 1 words in the table of the order below; 0 for single words."""
    word: IntArray
    probability: FloatArray
    """Of the word after its context."""
    backoff: FloatArray
    """What the probability of a word that was never seen after this n-gram is multiplied with, one order below."""


@dataclass(frozen=True)
class NgramModel:
    words: list[str]
    """By id; the first three are `SPECIAL`."""
    tables: list[Table]
    """Of order 1, 2, …"""


@dataclass(frozen=True)
class _Counts:
    context: IntArray
    word: IntArray
    suffix: IntArray
    """Row of the last n − 1 words in the table of the order below."""
    begins: npt.NDArray[np.bool_]
    """Whether the n-gram begins a sentence."""
    count: IntArray


def _encode(sentences: Iterable[Sequence[str]]) -> tuple[list[str], IntArray]:
    ids = {word: row for row, word in enumerate(SPECIAL)}
    text: list[int] = []
    for sentence in sentences:
        if sentence:
            text.append(1)
            # A word that is written like a special one is none.
            text += [0 if word in SPECIAL else ids.setdefault(word, len(ids)) for word in sentence]
            text.append(2)
    return list(ids), np.array(text, dtype=np.int64)


def _count(text: IntArray, order: int, vocabulary: int) -> list[_Counts]:
    """Tables of orders 1 to `order` with how often each n-gram stands in the text."""
    begin = SPECIAL.index(BEGIN)
    # Every word has a row of its own, whether the text has it or not.
    unigrams = np.arange(vocabulary, dtype=np.int64)
    none = np.zeros_like(unigrams)
    tables = [_Counts(none, unigrams, none, unigrams == begin, np.bincount(text, minlength=vocabulary))]
    positions, row = np.arange(len(text)), text.copy()
    for _ in range(1, order):
        # N-grams end where the words before do not lie in the sentence before.
        positions = positions[(positions > 0) & (text[positions] != begin)]
        if len(tables) > 1:
            positions = positions[row[positions - 1] >= 0]
        keys = row[positions - 1] * vocabulary + text[positions]
        found, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        context, word = found // vocabulary, found % vocabulary
        suffix, begins = row[positions[first]], tables[-1].begins[context]
        tables.append(_Counts(context, word, suffix, begins, count))
        row = np.full(len(text), -1, dtype=np.int64)
        row[positions] = inverse
    return tables


def _discounts(counts: IntArray) -> FloatArray:
    """What is taken from a count of 1, of 2, and of more, and given to words not seen; `(4,)`, by count up to 3."""
    once, twice, thrice, often = (float((counts == n).sum()) for n in (1, 2, 3, 4))
    if min(once, twice, thrice, often) > 0:
        share = once / (once + 2 * twice)
        found = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * often / thrice)
        if all(0 < discount < most for discount, most in zip(found, (1, 2, 3), strict=True)):
            return np.array([0.0, *found])
    return np.array([0.0, *USUAL_DISCOUNTS])


def _smooth(counts: IntArray, table: _Counts, contexts: int, lower: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities of a table's n-grams, and the weight of the order below after each context.

    Args:
        counts: of the n-grams, `(rows,)`; those of 0 get what the order below gives them.
        table: which they are.
        contexts: how many there are.
        lower: what the order below gives, `(rows,)`.
    """
    taken = _discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(table.context, counts, contexts)
    left = np.bincount(table.context, taken, contexts) / np.maximum(total, 1)
    probability = (counts - taken) / np.maximum(total, 1)[table.context] + left[table.context] * lower
    # A context without followers leaves all to the order below.
    return probability, np.where(total > 0, left, 1.0)


def train_ngrams(sentences: Iterable[Sequence[str]], order: int) -> NgramModel:
    """A model of the sentences' words; every word that occurs is known.

    Args:
        sentences: words of each. Empty ones are left out.
        order: longest n-gram, in words.

    Raises:
        UserError: there is no text.
    """
    words, text = _encode(sentences)
    if not len(text):
        raise UserError("no text to make a language model from")
    tables = _count(text, order, len(words))
    probabilities: list[FloatArray] = []
    backoffs: list[FloatArray] = []
    for n, table in enumerate(tables, 1):
        counts = table.count
        if n < len(tables):
            # Below the highest order what counts is after how many different words; nothing stands before a beginning.
            longer = np.bincount(tables[n].suffix, minlength=len(counts))
            counts = np.where(table.begins, counts, longer)
        if n == 1:
            counts = np.where(table.begins, 0, counts)
            # All but <s>, which follows on nothing.
            lower: FloatArray = np.full(len(words), 1 / (len(words) - 1))
        else:
            lower = probabilities[-1][table.suffix]
        probability, backoff = _smooth(counts, table, len(tables[n - 2].word) if n > 1 else 1, lower)
        if n == 1:
            probability = np.where(table.begins, 0.0, probability)
        else:
            backoffs.append(backoff)
        probabilities.append(probability)
    backoffs.append(np.ones(len(tables[-1].word)))
    return NgramModel(
        words,
        [Table(t.context, t.word, p, b) for t, p, b in zip(tables, probabilities, backoffs, strict=True)],
    )
