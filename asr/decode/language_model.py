"""A language model as a decoder takes it: a file, and what it knows words of."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from asr.config import DecodeConfig
from asr.data.pronunciations import read_lexicon_words
from asr.data.tokens import Tokenizer
from asr.decode.arpa import is_arpa, read_words
from asr.errors import UserError

NO_LEXICON = "none"
ORDERS = {"words": 3, "tokens": 6}
"""Longest n-grams of a model that is made here."""
READABLE_ORDERS = (2, 6)
"""What KenLM reads, as packages come with it."""

PACKAGE = "flashlight-text" if sys.version_info < (3, 13) else "ctc-beam-decoder"
TO_INSTALL = (
    f"decoding with a language model needs a package: {sys.executable} -m pip install {PACKAGE}; "
    "greedy and beam decoding need none"
)


@dataclass(frozen=True)
class LanguageModel:
    path: Path
    words: list[str] | None
    """The lexicon: words that may be written. None: the model is one of tokens, and writes whatever they spell."""


def check_package() -> None:
    """Raises UserError where no package for decoding with a language model is installed. Nothing is imported."""
    if not any(find_spec(name) for name in ("flashlight", "ctc_beam_decoder")):
        raise UserError(TO_INSTALL)


def check_decoding(config: DecodeConfig) -> None:
    """Raises UserError where decoding with a language model would end for want of a package or a file."""
    check_package()
    if config.lm:
        is_arpa(Path(config.lm).expanduser())
    if config.lexicon not in ("", NO_LEXICON):
        read_lexicon_words(Path(config.lexicon))


def token_texts(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[list[str]]:
    """Texts as a model of tokens is made from them: what each token writes."""
    for text in texts:
        yield [tokenizer.symbols[i] for i in tokenizer.encode(text)]


def lexicon_beside(path: Path) -> Path:
    """Where `kappa-asr lm` puts how a model's words are said, for a recognizer of phones."""
    return path.with_name(path.name.partition(".")[0] + ".lexicon.gz")


def open_language_model(
    path: Path, lexicon: str, symbols: Sequence[str], setting: str = "decode.lexicon"
) -> LanguageModel:
    """Check that a language model and a lexicon are there and belong together.

    Args:
        path: ARPA file or KenLM binary.
        lexicon: file of words; empty: those of the ARPA file; `none`: the model is one of tokens.
        symbols: what each token writes.
        setting: what the user knows `lexicon` by.

    Raises:
        UserError: a file cannot be read, a binary has no lexicon beside it, or units are not what they should be.
    """
    text = is_arpa(path)
    if lexicon not in ("", NO_LEXICON):
        return LanguageModel(path, read_lexicon_words(Path(lexicon)))
    if not text:
        if lexicon == NO_LEXICON:
            return LanguageModel(path, None)
        raise UserError(
            f"{path}: not an ARPA file, and the words of a binary cannot be read; name a file of them with "
            f"{setting}, or set it to {NO_LEXICON} where the model is one of tokens"
        )
    words = read_words(path)
    of_tokens = set(words) <= set(symbols)
    if lexicon == NO_LEXICON and not of_tokens:
        raise UserError(
            f"{path}: a model of words, such as {words[-1]!r}; without a lexicon one of tokens is needed: "
            "kappa-asr lm --units tokens"
        )
    if lexicon == "" and of_tokens:
        raise UserError(f"{path}: a model of tokens, not of words; set {setting} to {NO_LEXICON}")
    return LanguageModel(path, None if of_tokens else words)
