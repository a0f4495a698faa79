"""Words and alignments as NIST's sclite (SCTK 2.4.10) has them.

Words are parted by ASCII's white space alone, and compared with A to Z in lower case. In the files that only sclite
knows, a backslash is left out, a semicolon without one before it ends a word, and so does a star at its end. A cheapest
alignment is taken at costs of 4 for a substitution and 3 for a deletion or an insertion: two errors out of step cost
less than two substitutions, so that words are not paired at random. The sum of errors may then be above the edit
distance: four substitutions cost more than two deletions, two insertions and the right words between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.score.alternatives import NOTHING, WordGraph
from asr.score.wer import AlignedWord

_WHITE_SPACE = re.compile(r"[ \t\n\v\f\r]+")


def split_words(text: str) -> list[str]:
    """Words parted by ASCII's white space: a no-break space belongs to a word."""
    return [word for word in _WHITE_SPACE.split(text) if word]


def read_word(written: str) -> str:
    """The word that stands in a file of sclite's own forms. What follows on a semicolon is about the word."""
    word = written
    if ";" in word:
        word = re.split(r"(?<!\\);", word, maxsplit=1)[0]
    word = word.replace("\\", "")
    return word[:-1] if len(word) > 1 and word.endswith("*") else word


class Costs(NamedTuple):
    """What a substitution costs an alignment, and a word without a partner: any, an optional one, and `@`.

    In single precision, in which sclite adds them up: what it rounds decides between ways that cost all but the same.
    """

    substitution: np.float32
    gap: np.float32
    optional: np.float32
    nothing: np.float32


LEVENSHTEIN = Costs(*map(np.float32, (1, 1, 1, 0)))
SCLITE = Costs(*map(np.float32, (4, 3, 2, 0.001)))


@dataclass(frozen=True)
class Leniency:
    """Which words count as right although they are not the same."""

    fragments: bool = False
    """sclite's -F: a word that ends with a hyphen is one that begins so, `fr-` is `from`; and -om is."""
    optional: bool = False
    """sclite's -D: a word in parentheses is right whether it is said or not."""

    def is_optional(self, word: str) -> bool:
        return self.optional and word[:1] == "(" and word[-1:] == ")"

    def bare(self, word: str) -> str:
        """The word without the parentheses that say that it is optional."""
        return word[1:-1] if self.is_optional(word) else word

    def _is_fragment(self, word: str) -> bool:
        return "-" in (word[:1], word[-2:-1] if self.is_optional(word) else word[-1:])

    def match(self, one: str, other: str) -> str | None:
        """The word that both are, the whole one of a fragment and a word; None where they differ."""
        first, second = self.bare(one), self.bare(other)
        if self.fragments and (self._is_fragment(one) or self._is_fragment(other)):
            for part, whole in ((first, second), (second, first)):
                if len(part) > 1 and part[0] == "-":
                    return whole if whole.endswith(part[1:]) else None
                if len(part) > 1 and part[-1] == "-":
                    return whole if whole.startswith(part[:-1]) else None
        return first if first == second else None


STRICT = Leniency()

Step = tuple[int, int]
"""The arcs of two graphs that a way comes from."""


class Alignment(NamedTuple):
    words: list[AlignedWord]
    unsaid: int
    """Optional words that only one of the texts has. They count as right."""


def align_graphs(said: WordGraph, heard: WordGraph, costs: Costs, leniency: Leniency = STRICT) -> Alignment:
    """A cheapest alignment of any reading of one text with any reading of the other.

    Of equally cheap ways it takes, from the end, first one by a pair of words, then by an insertion, then by a
    deletion, and the first of equally cheap alternatives, as sclite does.
    """

    def gap(word: str) -> np.float32:
        if word == NOTHING:
            return costs.nothing
        return costs.optional if leniency.is_optional(word) else costs.gap

    gaps = [gap(word) for _, word in heard.arcs]
    totals: list[list[np.float32]] = []
    steps: list[list[Step]] = []
    for row, (above, word) in enumerate(said.arcs):
        deletion = gap(word)
        total, step = [np.float32(0)] * len(heard.arcs), [(0, 0)] * len(heard.arcs)
        totals.append(total)
        steps.append(step)
        for column, (before, other) in enumerate(heard.arcs):
            # min takes the first of equals.
            ways: list[tuple[np.float32, Step]] = []
            if row and column and NOTHING not in (word, other):
                up, left = min(((a, b) for a in above for b in before), key=lambda way: totals[way[0]][way[1]])
                price = costs.substitution if leniency.match(word, other) is None else np.float32(0)
                ways.append((totals[up][left] + price, (up, left)))
            if column:
                left = min(before, key=total.__getitem__)
                ways.append((total[left] + gaps[column], (row, left)))
            if row:
                up = min(above, key=lambda arc: totals[arc][column])
                ways.append((totals[up][column] + deletion, (up, column)))
            if ways:
                total[column], step[column] = min(ways, key=lambda way: way[0])
    end = min(((a, b) for a in said.ends for b in heard.ends), key=lambda place: totals[place[0]][place[1]])
    return _read_back(said, heard, leniency, _trace(steps, end))


def _trace(steps: Sequence[Sequence[Step]], place: Step) -> Iterator[tuple[Step, Step]]:
    """The steps of a way from its end, each as the place it leads to and the one it comes from."""
    while place != (0, 0):
        earlier = steps[place[0]][place[1]]
        yield place, earlier
        place = earlier


def _read_back(said: WordGraph, heard: WordGraph, leniency: Leniency, way: Iterator[tuple[Step, Step]]) -> Alignment:
    backwards: list[AlignedWord] = []
    unsaid = 0
    for (row, column), (up, left) in way:
        word, other = said.arcs[row].word, heard.arcs[column].word
        if up != row and left != column:
            same = leniency.match(word, other)
            backwards.append(
                AlignedWord("sub", leniency.bare(word), leniency.bare(other))
                if same is None
                else AlignedWord("hit", same, same)
            )
        elif (alone := word if up != row else other) == NOTHING:
            continue
        elif leniency.is_optional(alone):
            unsaid += 1
        else:
            backwards.append(AlignedWord("del", alone, None) if up != row else AlignedWord("ins", None, alone))
    return Alignment(backwards[::-1], unsaid)


def align_words(words: Sequence[str], heard: Sequence[str]) -> list[AlignedWord]:
    """What `align_graphs` finds at sclite's costs of two texts that have one reading each, quickly."""
    most = min(len(words), len(heard))
    end = next((n for n in range(most) if words[-1 - n] != heard[-1 - n]), most)
    begin = next((n for n in range(most - end) if words[n] != heard[n]), most - end)
    middle = _align_middle(words[begin : len(words) - end], heard[begin : len(heard) - end])
    before, after = ([AlignedWord("hit", w, w) for w in part] for part in (words[:begin], words[len(words) - end :]))
    return [*before, *middle, *after]


def _align_middle(words: Sequence[str], heard: Sequence[str]) -> list[AlignedWord]:
    substitution, gap = int(SCLITE.substitution), int(SCLITE.gap)
    rows = [[gap * column for column in range(len(heard) + 1)]]
    for word in words:
        above = rows[-1]
        cost = above[0] + gap
        row = [cost]
        for column, other in enumerate(heard):
            pair = above[column] if other == word else above[column] + substitution
            cost = min(cost + gap, pair, above[column + 1] + gap)
            row.append(cost)
        rows.append(row)
    said, column = len(words), len(heard)
    backwards: list[AlignedWord] = []
    while said or column:
        cost = rows[said][column]
        same = bool(said and column) and words[said - 1] == heard[column - 1]
        if said and column and rows[said - 1][column - 1] + (0 if same else substitution) == cost:
            backwards.append(AlignedWord("hit" if same else "sub", words[said - 1], heard[column - 1]))
            said, column = said - 1, column - 1
        elif column and rows[said][column - 1] + gap == cost:
            backwards.append(AlignedWord("ins", None, heard[column - 1]))
            column -= 1
        else:
            backwards.append(AlignedWord("del", words[said - 1], None))
            said -= 1
    return backwards[::-1]
