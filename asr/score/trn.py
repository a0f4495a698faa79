"""References with alternatives, as NIST's sclite writes them in `.trn` files, and their alignment.

`{ okay / o k / @ }` is any one of its alternatives, which may hold alternatives again; `@` is nothing. A word in
parentheses, `(uh)`, is an ordinary word, as it is to sclite without its option -D; a word that may be left out
is `{ uh / @ }`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from asr.errors import UserError
from asr.score.wer import AlignedWord

NOTHING = "@"
DEEPEST = 100
"""Braces within braces are refused beyond: a corpus has a few, and Python's own limit would end the program."""


class Costs(NamedTuple):
    """What an error costs an alignment; a cheapest alignment is taken."""

    substitution: int
    deletion: int
    insertion: int


LEVENSHTEIN = Costs(1, 1, 1)
SCLITE = Costs(4, 3, 3)
"""Two errors out of step cost less than two substitutions, so that words are not paired at random. The sum of
errors may then be above the edit distance: four substitutions cost more than two deletions, two insertions and
the right words between them."""


class Node(NamedTuple):
    """A place between words: behind `word`, which follows `sources[0]`; or where several ways meet (word None)."""

    sources: tuple[int, ...]
    word: str | None


WordGraph = list[Node]
"""All readings of a reference: the words on any way from node 0 to the last node, sources before their users."""

START = Node((), None)


def linear_graph(words: Sequence[str]) -> WordGraph:
    """The graph of a reference that has one reading."""
    return [START, *(Node((source,), word) for source, word in enumerate(words))]


def _tokens(text: str) -> list[str]:
    """Words, braces and the slashes between alternatives; outside of braces a slash is part of a word."""
    tokens: list[str] = []
    depth = 0
    for part in re.split(r"([{}])", text):
        if part in ("{", "}"):
            depth += 1 if part == "{" else -1
            tokens.append(part)
        elif depth > 0:
            tokens += part.replace("/", " / ").split()
        else:
            tokens += part.split()
    return tokens


class _Parser:
    def __init__(self, text: str, where: str, normalise: Callable[[str], str]) -> None:
        self.tokens = _tokens(text)
        self.where = where
        self.normalise = normalise
        self.graph: WordGraph = [START]
        self.position = 0
        self.depth = 0

    def fail(self, found: str) -> UserError:
        return UserError(f"{self.where}: {found}; write alternatives as {{ a / b }}, and @ for nothing")

    def sequence(self, node: int, inside: bool) -> int:
        """Read words and alternatives from `node` on; returns the node at their end."""
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            if inside and token in ("/", "}"):
                return node
            self.position += 1
            if token == "}":
                raise self.fail("'}' without its '{'")
            if token == "{":
                node = self.alternatives(node)
                continue
            end = self.position
            while end < len(self.tokens) and self.tokens[end] not in ("{", "}", *("/" * inside)):
                end += 1
            stretch = [t for t in self.tokens[self.position - 1 : end] if t != NOTHING]
            self.position = end
            for word in self.normalise(" ".join(stretch)).split():
                self.graph.append(Node((node,), word))
                node = len(self.graph) - 1
        if inside:
            raise self.fail("'{' without its '}'")
        return node

    def alternatives(self, node: int) -> int:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"more than {DEEPEST} braces within each other")
        ends: list[int] = []
        token = "/"
        while token == "/":
            begin = self.position
            ends.append(self.sequence(node, inside=True))
            if self.position == begin:
                raise self.fail("an alternative is empty")
            token = self.tokens[self.position]
            self.position += 1
        self.graph.append(Node(tuple(ends), None))
        self.depth -= 1
        return len(self.graph) - 1


def parse_reference(text: str, where: str, normalise: Callable[[str], str] = str) -> str | WordGraph:
    """A `.trn` reference, as text where it has one reading.

    Args:
        text: words and alternatives, without the utterance's id.
        where: file and line, for errors.
        normalise: applied to each stretch of words between braces and slashes.

    Raises:
        UserError: a brace has no partner, braces are too deep, or an alternative is empty.
    """
    if "{" not in text and "}" not in text:
        return normalise(" ".join(word for word in text.split() if word != NOTHING))
    parser = _Parser(text, where, normalise)
    parser.sequence(0, inside=False)
    return parser.graph


def align_graph(graph: WordGraph, heard: Sequence[str], costs: Costs) -> list[AlignedWord]:
    """A cheapest alignment of the hypothesis' words with any reading of the reference.

    Among equally cheap ways it goes, from the end, first by a pair of words, then by an insertion, then by a
    deletion, as sclite does; and by the first of equally cheap alternatives, where sclite may take another, so
    that with the same cost the kinds of errors may differ.
    """
    rows: list[list[int]] = [[costs.insertion * column for column in range(len(heard) + 1)]]
    for sources, word in graph[1:]:
        if word is None:
            rows.append([min(column) for column in zip(*(rows[source] for source in sources), strict=True)])
            continue
        above = rows[sources[0]]
        cost = above[0] + costs.deletion
        row = [cost]
        for column, other in enumerate(heard):
            pair = above[column] if other == word else above[column] + costs.substitution
            cost = min(cost + costs.insertion, pair, above[column + 1] + costs.deletion)
            row.append(cost)
        rows.append(row)
    return _trace(graph, heard, costs, rows)


def _trace(graph: WordGraph, heard: Sequence[str], costs: Costs, rows: list[list[int]]) -> list[AlignedWord]:
    """The way that cost `rows[-1][-1]`, where `rows[node][column]` is the cost up to a node and a heard word."""
    node, column = len(rows) - 1, len(heard)
    backwards: list[AlignedWord] = []
    while node or column:
        (sources, word), cost = graph[node], rows[node][column]
        if node and word is None:
            node = next(source for source in sources if rows[source][column] == cost)
            continue
        same = bool(node and column) and word == heard[column - 1]
        pair = 0 if same else costs.substitution
        if node and column and rows[sources[0]][column - 1] + pair == cost:
            backwards.append(AlignedWord("hit" if same else "sub", word, heard[column - 1]))
            node, column = sources[0], column - 1
        elif column and rows[node][column - 1] + costs.insertion == cost:
            backwards.append(AlignedWord("ins", None, heard[column - 1]))
            column -= 1
        else:
            backwards.append(AlignedWord("del", word, None))
            node = sources[0]
    return backwards[::-1]


def align_sclite(words: Sequence[str], heard: Sequence[str]) -> list[AlignedWord]:
    """`align_graph` of a single reading at sclite's costs, quick where the texts begin and end alike."""
    most = min(len(words), len(heard))
    end = next((n for n in range(most) if words[-1 - n] != heard[-1 - n]), most)
    begin = next((n for n in range(most - end) if words[n] != heard[n]), most - end)
    middle = align_graph(linear_graph(words[begin : len(words) - end]), heard[begin : len(heard) - end], SCLITE)
    before, after = ([AlignedWord("hit", w, w) for w in part] for part in (words[:begin], words[len(words) - end :]))
    return [*before, *middle, *after]
