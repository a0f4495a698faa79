"""Texts with alternatives, as NIST's sclite reads them in `.trn`, `.stm` and `.ctm` files.

`{ okay / o k / @ }` is any one of its alternatives, which may hold alternatives again; `@` is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from asr.errors import UserError

NOTHING = "@"
DEEPEST = 100
"""Braces within braces are refused beyond: a corpus has a few, and Python's own limit would end the program."""


class Arc(NamedTuple):
    """A word that may follow on any of its sources, which are numbers of arcs."""

    sources: tuple[int, ...]
    word: str


class WordGraph(NamedTuple):
    """All readings of a text: the words on any way from arc 0, which has none, to one of the ends.

    Sources stand before the arcs that follow on them.
    """

    arcs: list[Arc]
    ends: tuple[int, ...]


START = Arc((), "")


def linear_graph(words: Sequence[str]) -> WordGraph:
    """The graph of a text that has one reading."""
    return WordGraph([START, *(Arc((source,), word) for source, word in enumerate(words))], (len(words),))


def _tokens(text: str, split: Callable[[str], list[str]]) -> list[str]:
    """Words, braces and the slashes between alternatives; outside of braces a slash is part of a word."""
    tokens: list[str] = []
    depth = 0
    for part in re.split(r"([{}])", text):
        if part in ("{", "}"):
            depth += 1 if part == "{" else -1
            tokens.append(part)
        elif depth > 0:
            tokens += split(part.replace("/", " / "))
        else:
            tokens += split(part)
    return tokens


class _Parser:
    def __init__(
        self, text: str, where: str, split: Callable[[str], list[str]], clean: Callable[[Sequence[str]], list[str]]
    ) -> None:
        self.tokens = _tokens(text, split)
        self.where = where
        self.clean = clean
        self.arcs = [START]
        self.position = 0
        self.depth = 0

    def fail(self, found: str) -> UserError:
        return UserError(f"{self.where}: {found}; write alternatives as {{ a / b }}, and @ for nothing")

    def add(self, sources: tuple[int, ...], word: str) -> tuple[int, ...]:
        self.arcs.append(Arc(sources, word))
        return (len(self.arcs) - 1,)

    def sequence(self, sources: tuple[int, ...], inside: bool) -> tuple[int, ...]:
        """Read words and alternatives that follow on `sources`; returns what follows on them."""
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            if inside and token in ("/", "}"):
                return sources
            self.position += 1
            if token == "}":
                raise self.fail("'}' without its '{'")
            if token == "{":
                sources = self.alternatives(sources)
            elif token == NOTHING:
                sources = self.add(sources, NOTHING)
            else:
                end = self.position
                while end < len(self.tokens) and self.tokens[end] not in ("{", "}", NOTHING, *("/" * inside)):
                    end += 1
                stretch = self.tokens[self.position - 1 : end]
                self.position = end
                for word in self.clean(stretch):
                    sources = self.add(sources, word)
        if inside:
            raise self.fail("'{' without its '}'")
        return sources

    def alternatives(self, sources: tuple[int, ...]) -> tuple[int, ...]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"more than {DEEPEST} braces within each other")
        ends: tuple[int, ...] = ()
        token = "/"
        while token == "/":
            begin = self.position
            end = self.sequence(sources, inside=True)
            if self.position == begin:
                raise self.fail("an alternative is empty")
            # A normaliser may leave nothing of it.
            ends += self.add(sources, NOTHING) if end == sources else end
            token = self.tokens[self.position]
            self.position += 1
        self.depth -= 1
        return ends


def parse_alternatives(
    text: str, where: str, split: Callable[[str], list[str]], clean: Callable[[Sequence[str]], list[str]]
) -> str | WordGraph:
    """A text of a `.trn`, `.stm` or `.ctm` file: words parted by single blanks where it has one reading.

    Args:
        text: words and alternatives, without the utterance's id.
        where: file and line, for errors.
        split: cuts a stretch into words.
        clean: words that are scored, of words as they stand in the file.

    Raises:
        UserError: a brace has no partner, braces are too deep, or an alternative is empty.
    """
    if "{" not in text and "}" not in text and NOTHING not in (words := split(text)):
        return " ".join(clean(words))
    parser = _Parser(text, where, split, clean)
    ends = parser.sequence((0,), inside=False)
    return WordGraph(parser.arcs, ends)
