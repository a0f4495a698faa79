"""The one cleaning of text. Whoever reads text that people wrote (stage 1, `lm`, `score`) sends it through here.

A corpus's text goes through its normaliser once, where it becomes a manifest; all that stands behind reads manifests. A
word error rate means little without its normaliser's name, so the name goes wherever the text goes: into the settings,
the token inventory, an exported model, the report and the scores.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from asr.config import NormaliserName
from asr.errors import UserError

VERSION = 2
"""To be raised when any of the normalisers changes, so that manifests are made anew."""

DEFAULT: NormaliserName = "upper"

NORMALISERS: dict[NormaliserName, str] = {
    "upper": "words in upper case: ’ is ', other punctuation parts words, <unk> and the like are none; any script",
    "cased": "the same in the case they have: German ß and Turkish ı have no capital that is only theirs",
    "librispeech": "as upper, and Latin letters without accents, as LibriSpeech has them: é is E",
    "lowercase": "all in lower case, nothing else",
    "none": "texts as they are",
    "whisper-english": "Whisper's for English: spelling, contractions, numbers, fillers (extra: whisper)",
}

PARTED = ("upper", "cased", "librispeech")
"""Those that give words parted by single blanks."""

_TAG = re.compile(r"<[^<>\s]*>|\[unk\]", re.IGNORECASE)
"""<unk>, <noise>, <sil>: not said, or not known. Other square brackets stand around words that are."""
_PRESENTATION = re.compile("[\ufb00-\ufb06\ufb50-\ufdff\ufe70-\ufefc\uff01-\uffdc]")
"""Ligatures, Arabic letters by their place, full-width and half-width forms: other shapes of ordinary letters."""
_QUOTED = re.compile(r"(?<!\w)‘([^‘’]*(?:’\w[^‘’]*)*)’(?!\w)")
"""Single quotation marks around something; ’ within a word is an apostrophe."""
_ACCENTS = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_UNDECOMPOSED = str.maketrans(
    {"Æ": "AE", "Œ": "OE", "Ø": "O", "Đ": "D", "Ð": "D", "Ł": "L", "Þ": "TH", "Ħ": "H", "ẞ": "SS"}
    | {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ß": "ss", "ı": "i"}
)
_JOINERS = "\u200c\u200d"
"""They shape letters in Persian and the scripts of India, and two words may differ by one."""
_PARTING = "\u200b"
"""Stands between words in Khmer and Thai."""
_SHAPES = ("\u0640", *map(chr, range(0xFE00, 0xFE10)))
"""Without a sound: Arabic's lengthening stroke, and which picture of a sign to draw."""


class _Characters(dict[int, str]):
    """What becomes of each character, by code point: letters, signs on letters and digits of any script stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if character in "'’‘ʼ＇`´":
            kept = "'"
        elif character in _SHAPES or (kind == "Cf" and character not in _JOINERS + _PARTING):
            kept = ""
        else:
            kept = character if kind[0] in "LMN" or character in _JOINERS else " "
        self[code] = kept
        return kept


_CHARACTERS = _Characters()


def _spoken(words: list[str]) -> list[str]:
    """The words without quotation marks around them, and those alone that have a letter or a digit."""
    bare = (word.strip("'") if word[0] == word[-1] == "'" else word for word in words)
    return [word for word in bare if any(map(str.isalnum, word))]


def _words(text: str, shape: Callable[[str], str]) -> str:
    """Words, parted by single blanks.

    Args:
        text: as people write.
        shape: what becomes of letters, such as upper case.
    """
    if not text.isascii():
        text = _PRESENTATION.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = _QUOTED.sub(r" \1 ", text)
    if "<" in text or "[" in text:
        text = _TAG.sub(" ", text)
    if text.isascii():
        text = shape(text)
    else:
        # A word must not depend on how it was typed, and upper case takes some characters apart.
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_CHARACTERS))
        text = unicodedata.normalize("NFC", shape(text))
    text = text.translate(_CHARACTERS)
    if "''" in text:
        text = re.sub("''+", " ", text)
    words = text.split()
    text = " ".join(words)
    # Nothing else leaves a word that is none, or a quotation mark.
    if not text.isascii() or " '" in text or text.startswith("'"):
        return " ".join(_spoken(words))
    return text


def fold_accents(text: str) -> str:
    """Latin letters without what stands on them; other scripts stay whole, as й and का must."""
    if text.isascii():
        return text
    plain = _ACCENTS.sub("", unicodedata.normalize("NFD", text)).translate(_UNDECOMPOSED)
    return unicodedata.normalize("NFC", plain)


def _librispeech(text: str) -> str:
    return _words(text, lambda words: fold_accents(words.upper()))


def _upper(text: str) -> str:
    return _words(text, str.upper)


def _cased(text: str) -> str:
    return _words(text, str)


MOST_PASSES = 8
"""Whisper's changes what it gave twice at most, as far as was seen: `three point one`, `3 one`, `31`."""


def _whisper_english() -> Callable[[str], str]:
    """Whisper's, until it changes nothing.

    Once makes 01 of `zero one`, and twice `one`. What a model writes that was trained on such texts has been through it
    already, and references have not: once for all would count errors where there are none.
    """
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise UserError(
            "the normaliser whisper-english needs the package whisper-normalizer: pip install 'kappa-asr[whisper]'"
        ) from None
    once: Callable[[str], str] = EnglishTextNormalizer()

    def normalise(text: str) -> str:
        for _ in range(MOST_PASSES):
            before, text = text, " ".join(once(text).split())
            if text == before:
                break
        return text

    return normalise


def find_normaliser(name: NormaliserName) -> Callable[[str], str]:
    """The function behind one of the `NORMALISERS`. What they give they leave unchanged.

    Raises:
        UserError: the package that it stands on is not installed.
    """
    if name == "whisper-english":
        return _whisper_english()
    functions: dict[NormaliserName, Callable[[str], str]] = {
        "upper": _upper,
        "cased": _cased,
        "librispeech": _librispeech,
        "lowercase": str.lower,
        "none": str,
    }
    return functions[name]
