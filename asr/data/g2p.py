"""Letters to sounds: how a word is said that no lexicon has, learnt from the words that it has.

Each letter stands for no phone, one or two. EM finds which (Viterbi alignments); a word is then a row of such pairs of
letter and phones, and an n-gram model of pairs with a beam search gives the likeliest row for other letters: the joint
n-gram model of Bisani and Ney, "Joint-sequence models for grapheme-to-phoneme conversion" (Speech Communication, 2008),
with interpolated Kneser-Ney discounts.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ORDER = 6
"""Longest n-gram of pairs."""
WIDTH = 24
"""Rows that the search keeps."""
TOGETHER = 500
"""Words that are searched at a time."""
THRESHOLD = 9.0
"""Rows that are so many nats worse than the best are dropped."""
ROUNDS = 3
"""Of EM: alignments hardly change any more."""
NONE = -1


def _positions(letters: Ints, phones: Ints, scores: Sequence[Floats]) -> Ints:
    """The likeliest alignments of words of one size: how many phones each letter stands for, `(words, letters)`.

    Args:
        letters: numbers of letters, `(words, letters)`.
        phones: numbers of phones, `(words, phones)`; at most two for each letter.
        scores: log-probabilities of no phone `(letters,)`, one `(letters, phones)` and two `(letters, phones, phones)`.
    """
    words, rows, columns = *letters.shape, phones.shape[1]
    best = np.full((rows + 1, columns + 1, words), -np.inf)
    taken = np.zeros((rows + 1, columns + 1, words), dtype=np.int64)
    best[0, 0] = 0.0
    for i in range(1, rows + 1):
        letter = letters[:, i - 1]
        for j in range(max(0, columns - 2 * (rows - i)), min(2 * i, columns) + 1):
            ways = [best[i - 1, j] + scores[0][letter]]
            if j >= 1:
                ways.append(best[i - 1, j - 1] + scores[1][letter, phones[:, j - 1]])
            if j >= 2:
                ways.append(best[i - 1, j - 2] + scores[2][letter, phones[:, j - 2], phones[:, j - 1]])
            taken[i, j] = np.argmax(ways, axis=0)
            best[i, j] = np.max(ways, axis=0)
    counts = np.zeros_like(letters)
    at, every = np.full(words, columns), np.arange(words)
    for i in range(rows, 0, -1):
        counts[:, i - 1] = taken[i, at, every]
        at -= counts[:, i - 1]
    return counts


def _pairs(letters: Ints, phones: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Of each letter the first and the second phone that it stands for, or `NONE`: all `(words, letters)`."""
    padded = np.concatenate((phones, np.full((len(phones), 2), NONE)), axis=1)
    begin = counts.cumsum(1) - counts
    first, second = (np.take_along_axis(padded, begin + k, 1) for k in (0, 1))
    return letters, np.where(counts > 0, first, NONE), np.where(counts > 1, second, NONE)


def _align(groups: Sequence[tuple[Ints, Ints]], letters: int, phones: int) -> list[tuple[Ints, Ints, Ints]]:
    """All words' pairs, by EM. `groups` holds letters and phones of the words of each size."""
    # At first two phones cost more than one, and all pairs are as likely as their parts are often in the same words.
    together = np.full((letters, phones), 0.1)
    for spelled, said in groups:
        share = np.full(spelled.shape[0], 1.0 / said.shape[1])
        for column in range(said.shape[1]):
            for row in range(spelled.shape[1]):
                np.add.at(together, (spelled[:, row], said[:, column]), share)
    one = np.log(together / together.sum(0) / together.sum(1, keepdims=True) * together.sum())
    scores: list[Floats] = [np.full(letters, -1.0), one, one[:, :, None] + one[:, None, :] - 3.0]
    found: list[tuple[Ints, Ints, Ints]] = []
    for _ in range(ROUNDS):
        found = [_pairs(a, b, _positions(a, b, scores)) for a, b in groups]
        # Index NONE is the last one: no phone.
        table = np.full((letters, phones + 1, phones + 1), 0.01)
        for spelled, first, second in found:
            np.add.at(table, (spelled, first, second), 1.0)
        logs = np.log(table / table.sum())
        scores = [logs[:, NONE, NONE], logs[:, :NONE, NONE], logs[:, :NONE, :NONE]]
    return found


@dataclass(frozen=True)
class _Table:
    """N-grams of one length. An n-gram's number is its place in `keys`."""

    keys: Ints
    """Number of the n-gram without its last pair, times the number of all pairs, plus that pair; ascending."""
    weight: Floats
    """Discounted count of the n-gram as a share of its history's."""
    rest: Floats
    """By history: what is left for the shorter history."""


def _count(rows: Sequence[Ints], pairs: int) -> list[_Table]:
    """N-gram tables of words of each size, `(words, pairs)`; pair 0 begins and ends each word."""
    stream = np.concatenate([same.ravel() for same in rows])
    depth = np.concatenate([np.tile(np.arange(same.shape[1]), len(same)) for same in rows])
    keys: list[Ints] = []
    numbers: list[Ints] = []
    """Of the n-gram that ends at each place of the stream, or `NONE`."""
    histories = np.zeros(len(stream), dtype=np.int64)
    for order in range(1, ORDER + 1):
        whole = (depth >= order - 1) & (histories != NONE)
        found, inverse = np.unique(histories[whole] * pairs + stream[whole], return_inverse=True)
        number = np.full(len(stream), NONE)
        number[whole] = inverse
        keys.append(found)
        numbers.append(number)
        histories = np.concatenate(([NONE], number[:-1]))
    tables: list[_Table] = []
    for order, (key, number) in enumerate(zip(keys, numbers, strict=True), 1):
        # What begins a row is not predicted.
        counted = number[(number != NONE) & (depth > 0)]
        counts = np.bincount(counted, minlength=len(key)).astype(np.float64)
        if order < ORDER:
            # Kneser and Ney: how many different pairs come before, where one does.
            extended = numbers[order] != NONE
            ending = np.zeros(len(keys[order]), dtype=np.int64)
            ending[numbers[order][extended]] = number[extended]
            before = np.bincount(ending, minlength=len(key))
            counts = np.where(before > 0, before, counts)
        single, double = (counts == 1).sum(), (counts == 2).sum()
        discount = single / (single + 2 * double) if single else 0.5
        history = key // pairs
        size = 1 if order == 1 else len(keys[order - 2])
        total = np.bincount(history, counts, minlength=size)
        kinds = np.bincount(history, counts > 0, minlength=size)
        share = np.maximum(total, 1.0)
        rest = np.where(total > 0, discount * kinds / share, 1.0)
        tables.append(_Table(key, np.maximum(counts - discount, 0.0) / share[history], rest))
    return tables


def _is_example(word: str, phones: Sequence[str]) -> bool:
    """Not a word whose letters say more than two phones each, such as W."""
    return 0 < len(phones) <= 2 * len(word)


def letters_of(words: Mapping[str, Sequence[Sequence[str]]]) -> set[str]:
    """The letters that `LetterToSound` learns to say from these words and the ways to say them."""
    return {c for word, said in words.items() if any(_is_example(word, phones) for phones in said) for c in word}


class LetterToSound:
    """The likeliest phones for letters."""

    def __init__(self, words: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Learns from words and their phones; those with more than two phones a letter are no example."""
        examples = [(word, phones) for word, phones in words if _is_example(word, phones)]
        self._letters = {c: i for i, c in enumerate(sorted({c for word, _ in examples for c in word}))}
        self._phones = sorted({phone for _, phones in examples for phone in phones})
        if not examples:
            return
        number = {phone: i for i, phone in enumerate(self._phones)}
        by_size: dict[tuple[int, int], list[tuple[list[int], list[int]]]] = defaultdict(list)
        for word, phones in examples:
            pair = [self._letters[c] for c in word], [number[p] for p in phones]
            by_size[len(word), len(phones)].append(pair)
        groups = [(np.array([a for a, _ in same]), np.array([b for _, b in same])) for same in by_size.values()]
        aligned = _align(groups, len(self._letters), len(self._phones))
        # A pair as one number; phones count from 1 on, and 0 is none.
        span = self._span = len(self._phones) + 1
        codes = [(spelled * span + first + 1) * span + second + 1 for spelled, first, second in aligned]
        known = self._codes = np.unique(np.concatenate([code.ravel() for code in codes]))
        # Pair 0 stands beyond both ends of a word.
        rows = [np.pad(np.searchsorted(known, code) + 1, ((0, 0), (1, 1))) for code in codes]
        self._tables = _count(rows, len(known) + 1)
        # Pairs lie letter by letter.
        self._counts = np.bincount(known // span**2, minlength=len(self._letters))
        self._firsts = self._counts.cumsum() - self._counts + 1

    def _score(self, contexts: Ints, pairs: Ints) -> tuple[Floats, Ints]:
        """Log-probability of each pair in its context, `(pairs,)`, and the contexts after them, `(pairs, ORDER)`.

        Args:
            contexts: by length from 0 on, numbers of the n-grams that stand before, or `NONE`; `(pairs, ORDER)`.
            pairs: what comes next.
        """
        kinds = len(self._codes) + 1
        after = np.full(contexts.shape, NONE)
        after[:, 0] = 0
        probability = np.full(len(pairs), 1.0 / kinds)
        for order, table in enumerate(self._tables, 1):
            history = contexts[:, order - 1]
            known = np.flatnonzero(history != NONE)
            history = history[known]
            key = history * kinds + pairs[known]
            place = np.minimum(np.searchsorted(table.keys, key), len(table.keys) - 1)
            found = table.keys[place] == key
            probability[known] = table.weight[place] * found + table.rest[history] * probability[known]
            if order < ORDER:
                after[known[found], order] = place[found]
        return np.log(probability), after

    def _search(self, spelled: Ints) -> list[list[str]]:
        """Phones of words of one length, `(words, letters)`."""
        # Hypotheses lie word by word, the best first.
        word = np.arange(len(spelled))
        contexts = np.full((len(spelled), ORDER), NONE)
        contexts[:, 0] = 0
        edge = np.zeros(len(spelled), dtype=np.int64)
        contexts, scores = self._score(contexts, edge)[1], np.zeros(len(spelled))
        trace: list[tuple[Ints, Ints]] = []
        for letter in spelled.T:
            counts = self._counts[letter[word]]
            parent = np.repeat(np.arange(len(word)), counts)
            within = np.arange(len(parent)) - np.repeat(counts.cumsum() - counts, counts)
            pairs = self._firsts[letter[word]][parent] + within
            gained, after = self._score(contexts[parent], pairs)
            total = scores[parent] + gained
            owner = word[parent]
            order = np.lexsort((-total, owner))
            first = np.searchsorted(owner, owner)
            ranked = total[order]
            kept = order[(np.arange(len(order)) - first < WIDTH) & (ranked > ranked[first] - THRESHOLD)]
            trace.append((parent[kept], pairs[kept]))
            word, contexts, scores = owner[kept], after[kept], total[kept]
        scores = scores + self._score(contexts, np.zeros(len(word), dtype=np.int64))[0]
        order = np.lexsort((-scores, word))
        at = order[np.searchsorted(word, np.arange(len(spelled)))]
        rows = np.zeros_like(spelled)
        for column in range(spelled.shape[1] - 1, -1, -1):
            parent, pairs = trace[column]
            rows[:, column] = pairs[at]
            at = parent[at]
        codes = self._codes[rows - 1]
        phones = np.stack((codes // self._span % self._span, codes % self._span), axis=2).reshape(len(spelled), -1)
        return [[self._phones[p - 1] for p in row if p] for row in phones.tolist()]

    def say(self, words: Iterable[str]) -> list[list[str]]:
        """The likeliest phones of each word; letters that no example has are passed over."""
        spelled = [[self._letters[c] for c in word if c in self._letters] for word in words]
        said: list[list[str]] = [[] for _ in spelled]
        order = sorted((len(letters), number) for number, letters in enumerate(spelled) if letters)
        for _, same in itertools.groupby(order, key=lambda pair: pair[0]):
            numbers = [number for _, number in same]
            for start in range(0, len(numbers), TOGETHER):
                chunk = numbers[start : start + TOGETHER]
                found = self._search(np.array([spelled[number] for number in chunk]))
                for number, phones in zip(chunk, found, strict=True):
                    said[number] = phones
        return said
