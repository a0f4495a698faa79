"""How words are said: as a lexicon has it, and by rule for all other words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property

from asr.data.g2p import LetterToSound, letters_of
from asr.data.pronunciations import Pronunciations, spell


def _parts(word: str) -> list[str]:
    """What stands between hyphens, full stops and the like."""
    return "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in word).split()


def _bare(part: str) -> str:
    """Letters without accents, and without quotation marks around them."""
    return "".join(c for c in unicodedata.normalize("NFD", part.strip("'")) if not unicodedata.combining(c))


class Lexicon:
    """Says any word: as it stands there, or part by part, with or without its accents, or by rule."""

    def __init__(self, words: Pronunciations, generated: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """`generated` was said by rule before, and stays so."""
        self.words = words
        self.generated = dict(generated or {})
        """What was said by rule so far."""

    @cached_property
    def _rules(self) -> LetterToSound:
        return LetterToSound([(word, phones) for word, said in self.words.items() for phones in said])

    @cached_property
    def _letters(self) -> frozenset[str]:
        """What rules can be had for; an apostrophe may be silent."""
        return frozenset(letters_of(self.words)) | {"'"}

    def _find(self, part: str) -> list[tuple[str, ...]] | None:
        forms = part, part.strip("'"), _bare(part)
        found = next((self.words[form] for form in forms if form in self.words), None)
        return [self.generated[part]] if found is None and part in self.generated else found

    def _spelling(self, part: str) -> str | None:
        """The letters that rules say; None where they have no rule for one of them, such as a digit."""
        return next((form for form in (part, _bare(part)) if form.strip("'") and self._letters.issuperset(form)), None)

    def can_say(self, word: str) -> bool:
        """Whether `say` finds phones, without looking for them."""
        word = spell(word)
        parts = _parts(word)
        return word in self.words or (bool(parts) and all(self._find(p) or self._spelling(p) for p in parts))

    def prepare(self, words: Iterable[str]) -> None:
        """Find by rule how those are said that need it: many at once take a fraction of the time."""
        forms = {spell(word) for word in words}
        parts = sorted({part for form in forms if form not in self.words for part in _parts(form)})
        missing = {p: form for p in parts if self._find(p) is None and (form := self._spelling(p)) is not None}
        if missing:
            found = self._rules.say(list(missing.values()))
            self.generated.update((part, tuple(phones)) for part, phones in zip(missing, found, strict=True))

    def lacks(self, word: str) -> bool:
        """Whether all of the word, or a part of it, is said by rule or not at all."""
        word = spell(word)
        parts = _parts(word)
        return word not in self.words and (
            not parts or any(part in self.generated or self._find(part) is None for part in parts)
        )

    def say(self, word: str) -> list[tuple[str, ...]]:
        """A word's pronunciations, likeliest first; a word of several parts has one. None, where it cannot be said."""
        word = spell(word)
        if word in self.words:
            return self.words[word]
        self.prepare([word])
        said = [self._find(part) or [] for part in _parts(word)]
        return (
            said[0]
            if len(said) == 1
            else [tuple(phone for ways in said for phone in ways[0])]
            if said and all(said)
            else []
        )
