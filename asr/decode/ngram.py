"""N-gram language models, with interpolated modified Kneser-Ney smoothing.

Chen & Goodman, "An empirical study of smoothing techniques for language modeling" (Harvard TR-10-98), section 3.
An n-gram that is left out gives its whole count to the order below, where one that is kept gives a discount: Siivola,
Hirsimäki & Virpioja, "On growing and pruning Kneser-Ney smoothed n-gram models" (IEEE TASLP 15, 2007), section III. So
the probabilities after every context sum to 1 whatever is left out, and lower orders know how often they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asr.decode.ngram_counts import (
    BoolArray,
    Counts,
    FloatArray,
    IdArray,
    IntArray,
    bound_vocabulary,
    count_ngrams,
    encode_text,
)
from asr.decode.ngram_pruning import keep_contexts, worth_keeping
from asr.errors import UserError

USUAL_DISCOUNTS = (0.5, 1.0, 1.5)
"""Where a text is too small, or too regular, to estimate them from."""


@dataclass(frozen=True)
class NgramSettings:
    order: int
    """Longest n-gram, in words."""
    cutoffs: tuple[int, ...] = ()
    """By order, and the last for all above: what occurs so often, or less, is left out. Such words become unknown."""
    prune: float = 0.0
    """N-grams without which perplexity would rise by less than this share are left out; 0: none."""
    most_words: int | None = None
    """Only so many words are known, the most frequent ones; empty: all."""
    named_words: frozenset[str] = frozenset()
    """Words that are known however rare they are."""


@dataclass(frozen=True)
class Table:
    """The n-grams of one order as columns, `(rows,)` each; a row is an n-gram without its last word, and that word.

    Rows are sorted by context, then word.
    """

    context: IdArray
    """Row of the first n − 1 words in the table of the order below; 0 for single words."""
    word: IdArray
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


def _discounts(counts: IntArray | IdArray) -> FloatArray:
    """What is taken from a count of 1, of 2, and of more, and given to words not seen; `(4,)`, by count up to 3."""
    once, twice, thrice, often = (float(n) for n in np.bincount(np.minimum(counts, 5), minlength=5)[1:5])
    if min(once, twice, thrice, often) > 0:
        share = once / (once + 2 * twice)
        found = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * often / thrice)
        if all(0 < discount < most for discount, most in zip(found, (1, 2, 3), strict=True)):
            return np.array([0.0, *found])
    return np.array([0.0, *USUAL_DISCOUNTS])


def _smooth(
    counts: IntArray | IdArray, kept: BoolArray, context: IdArray, contexts: int, lower: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Probabilities of a table's n-grams, and the weight of the order below after each context.

    Args:
        counts: of the n-grams, `(rows,)`.
        kept: whether they stay in the model, `(rows,)`; the others get what the order below gives them.
        context: rows of their contexts, `(rows,)`.
        contexts: how many there are.
        lower: what the order below gives, `(rows,)`.
    """
    taken = np.where(kept, _discounts(counts)[np.minimum(counts, 3)], counts)
    total = np.bincount(context, counts, contexts)
    # A context without followers leaves all to the order below.
    left = np.where(total > 0, np.bincount(context, taken, contexts) / np.maximum(total, 1), 1.0)
    return (counts - taken) / np.maximum(total, 1)[context] + left[context] * lower, left


def _share_counts(tables: Sequence[Counts], kept: Sequence[BoolArray]) -> list[IntArray]:
    """By order, how often each n-gram counts, `(rows,)`: once for each longer one that ends with it and is kept, since
    that leaves a discount to say here, and as often as the longer one where that is not kept."""
    counts = [tables[-1].count.astype(np.int64)]
    for n in range(len(tables) - 2, -1, -1):
        left = np.bincount(tables[n + 1].suffix, np.where(kept[n + 1], 1, counts[0]), len(tables[n].word))
        # Nothing stands before a beginning.
        counts.insert(0, np.where(tables[n].begins, tables[n].count, left.astype(np.int64)))
    return counts


def _estimate(
    tables: Sequence[Counts], counts: Sequence[IntArray | IdArray], kept: Sequence[BoolArray]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """By order, probabilities and backoffs of all n-grams; those that are not kept have what backing off gives them."""
    begins = tables[0].begins
    # <s> follows on nothing.
    lower: FloatArray = np.full(len(begins), 1 / (len(begins) - 1))
    probability, _ = _smooth(np.where(begins, 0, counts[0]), kept[0], tables[0].context, 1, lower)
    probabilities, backoffs = [np.where(begins, 0.0, probability)], []
    for table, count, keep in zip(tables[1:], counts[1:], kept[1:], strict=True):
        below = probabilities[-1]
        probability, backoff = _smooth(count, keep, table.context, len(below), below[table.suffix])
        probabilities.append(probability)
        backoffs.append(backoff)
    return probabilities, [*backoffs, np.ones(len(probabilities[-1]))]


def _choose(tables: Sequence[Counts], settings: NgramSettings) -> list[BoolArray]:
    """By order, which n-grams stay in the model: all words, and no n-gram without those that it begins with."""
    kept = [np.ones(len(table.word), dtype=bool) for table in tables]
    for n in range(1, len(tables)):
        if settings.cutoffs:
            kept[n] = tables[n].count > settings.cutoffs[min(n, len(settings.cutoffs) - 1)]
    keep_contexts(tables, kept)
    if settings.prune:
        # What is pruned leaves its whole count to the order below, so the orders below are judged by whole counts.
        estimate = _estimate(tables, [table.count for table in tables], kept)
        kept = worth_keeping(tables, kept, *estimate, settings.prune)
        keep_contexts(tables, kept)
    return kept


def train_ngrams(sentences: Iterable[Sequence[str]], settings: NgramSettings) -> NgramModel:
    """A model of the sentences' words. Empty sentences are left out; so are orders of which nothing is kept.

    Raises:
        UserError: there is no text, or nothing but words is kept of it.
    """
    words, text = encode_text(sentences)
    if not len(text):
        raise UserError("no text to make a language model from")
    least = settings.cutoffs[0] if settings.cutoffs else 0
    words, text = bound_vocabulary(words, text, settings.most_words, least, settings.named_words)
    tables = count_ngrams(text, settings.order, len(words))
    kept = _choose(tables, settings)
    while not kept[-1].any():
        tables, kept = tables[:-1], kept[:-1]
    if len(tables) == 1 < settings.order:
        raise UserError("no n-gram of two words or more is left; cut off, or prune, less")
    probabilities, backoffs = _estimate(tables, _share_counts(tables, kept), kept)
    model: list[Table] = []
    number = np.zeros(1, dtype=np.int32)
    for table, keep, probability, backoff in zip(tables, kept, probabilities, backoffs, strict=True):
        context = number[table.context[keep]]
        model.append(Table(context, table.word[keep], probability[keep], backoff[keep]))
        number = (np.cumsum(keep) - 1).astype(np.int32)
    return NgramModel(words, model)
