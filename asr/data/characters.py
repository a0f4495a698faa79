"""Text as its characters, and `|` between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from asr.data.symbols import BLANK_SYMBOL, BOUNDARY

BETWEEN = "|"
"""As inventories are written, the token between words."""
ALPHABET = BETWEEN + "'ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The inventory of English text, and of all runs that kept none."""


def same_letters(one: str, other: str) -> bool:
    """Whether two texts differ in case or in compatible characters at most."""
    return unicodedata.normalize("NFKC", one).casefold() == unicodedata.normalize("NFKC", other).casefold()


def choose_inventory(texts: Iterable[str]) -> str:
    """The characters of texts, `|` first; the whole alphabet where they have no others."""
    seen = {c for text in texts for c in unicodedata.normalize("NFC", text) if not c.isspace() and c != BETWEEN}
    return ALPHABET if seen <= set(ALPHABET) else BETWEEN + "".join(sorted(seen))


class CharTokenizer:
    """Characters that the inventory lacks are written in its case where it has them so, or else left out."""

    writes_words = True
    boundary = 1

    def __init__(self, inventory: str = ALPHABET) -> None:
        """Raises ValueError where `inventory` does not begin with `|` or has a character twice."""
        if inventory[:1] != BETWEEN or len(set(inventory)) < len(inventory):
            raise ValueError(f"no inventory of characters: {inventory[:100]!r}")
        self._characters = inventory
        self._ids = {c: i for i, c in enumerate(inventory, 1)}
        self.symbols = [BLANK_SYMBOL, BOUNDARY, *inventory[1:]]
        self.size = len(self.symbols)

    def _find(self, character: str) -> list[int] | None:
        for shape in (character, character.upper(), character.lower()):
            if all(c in self._ids for c in shape):
                return [self._ids[c] for c in shape]
        return None

    def encode(self, text: str) -> list[int]:
        words = unicodedata.normalize("NFC", text).replace(BETWEEN, " ").split()
        spelled = [[i for c in word for i in self._find(c) or ()] for word in words]
        ids = [i for word in filter(None, spelled) for i in (self.boundary, *word)]
        return ids[1:]

    def decode(self, ids: Sequence[int]) -> str:
        text = "".join(self._characters[i - 1] for i in ids if i)
        return " ".join(text.replace(BETWEEN, " ").split())

    def unknown(self, text: str) -> list[str]:
        """Characters that are left out."""
        normal = unicodedata.normalize("NFC", text)
        return [c for c in normal if not c.isspace() and c != BETWEEN and self._find(c) is None]

    def write(self, word: str) -> str | None:
        written = self.decode(self.encode(word))
        return written if written and same_letters(written, word) else None

    def spell(self, words: Sequence[str]) -> list[list[list[int]]]:
        return [[self.encode(word)] if self.write(word) else [] for word in words]
