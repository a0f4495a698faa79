"""From what a file holds to the words that are scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asr.config import NormaliserName
from asr.score.alternatives import WordGraph, parse_alternatives
from asr.score.lines import TextLine
from asr.score.matching import fold_ascii
from asr.score.sclite import read_word, split_words
from asr.score.texts import Method
from asr.text.normaliser import PARTED, find_normaliser

WITH_ALTERNATIVES = ("trn", "stm", "ctm")


class Cleaner:
    """What becomes of a text before it is aligned."""

    def __init__(self, normaliser: NormaliserName, method: Method) -> None:
        self.normalise = find_normaliser(normaliser)
        self.parted = normaliser in PARTED
        self.as_sclite = method.weights == "sclite"
        self.split: Callable[[str], list[str]] = split_words if self.as_sclite else str.split

    def words(self, text: str) -> list[str]:
        text = self.normalise(text)
        return self.split(fold_ascii(text) if self.as_sclite else text)

    def stretch(self, words: Sequence[str]) -> list[str]:
        """Words of a form with alternatives."""
        return self.words(" ".join(map(read_word, words) if self.as_sclite else words))

    def text(self, line: TextLine, form: str) -> str | WordGraph:
        """Words parted by single blanks, or alternatives."""
        if form in WITH_ALTERNATIVES:
            return parse_alternatives(line.text, line.place, self.split, self.stretch)
        if self.parted and not self.as_sclite:
            return self.normalise(line.text)
        return " ".join(self.words(line.text))
