"""What is done to texts before they are compared. A word error rate means little without its normaliser's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from asr.errors import UserError

NORMALISERS = {
    "none": "texts as they are",
    "lowercase": "all in lower case, as sclite compares",
    "librispeech": "as LibriSpeech writes: upper case, no accents, no punctuation but apostrophes; digits stay",
    "whisper-english": "Whisper's for English: spelling, contractions, numbers, fillers (extra: whisper)",
}

_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇`´", "'"))
_NOT_SPOKEN = re.compile(r"[^\w']|_")
_ASCII_BLANKS = str.maketrans({chr(code): " " for code in range(128) if _NOT_SPOKEN.match(chr(code))})


def _librispeech(text: str) -> str:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
        text = _NOT_SPOKEN.sub(" ", "".join(c for c in decomposed if not unicodedata.combining(c)))
    # An apostrophe by itself is a quotation mark.
    return " ".join(word for word in text.upper().translate(_ASCII_BLANKS).split() if word.strip("'"))


def _whisper_english() -> Callable[[str], str]:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise UserError(
            "the normaliser whisper-english needs the package whisper-normalizer: pip install 'kappa-asr[whisper]'"
        ) from None
    normalise: Callable[[str], str] = EnglishTextNormalizer()
    return normalise


def find_normaliser(name: str) -> Callable[[str], str]:
    """The function behind one of the `NORMALISERS`.

    Raises:
        UserError: the package that it stands on is not installed.
    """
    if name == "whisper-english":
        return _whisper_english()
    functions: dict[str, Callable[[str], str]] = {"none": str, "lowercase": str.lower, "librispeech": _librispeech}
    return functions[name]
