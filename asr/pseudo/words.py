"""Labels of known words: a search with a lexicon and n-grams, in training.

Where the labeled text has the words that are to be expected in other audio, as with digits and commands, much of what a
weak teacher writes is no word at all, and is put right. With a language model of much other text a student may learn
what that prefers (why slimIPL has none: Likhomanenko et al., Interspeech 2021).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from asr.config import DecodeConfig, PseudoConfig
from asr.data.tokens import load_tokenizer
from asr.decode.arpa import is_arpa, read_words
from asr.decode.choice import fuse
from asr.decode.search import Search, Weights
from asr.errors import UserError


def check_word_search(settings: PseudoConfig) -> None:
    """Raises UserError where a package or the language model that the settings name is missing."""
    # The other package would write words that nobody knows.
    if find_spec("flashlight") is None:
        raise UserError(
            f"pseudo.search = words needs a package: {sys.executable} -m pip install 'flashlight-text>=0.0.7' (CPython "
            "up to 3.12); greedy and sampled need none"
        )
    if settings.lm and not is_arpa(Path(settings.lm).expanduser()):
        raise UserError(f"pseudo.lm = {settings.lm}: must be an ARPA file; the words of a binary cannot be read")


def open_word_search(settings: PseudoConfig, tokens: Path, tell: Callable[[str], None]) -> Search:
    """The search that the settings name.

    Args:
        settings: its language model and widths.
        tokens: the model's token inventory.
        tell: gets a line about words that can never be found.

    Raises:
        UserError: the language model or a package is missing, or they do not belong together.
    """
    if not settings.lm:
        raise UserError(
            "pseudo.search = words: pseudo.lm names no language model; stage 3 of the recipe makes one of the labeled "
            "text, and so does kappa-asr lm"
        )
    check_word_search(settings)
    path = Path(settings.lm).expanduser()
    if set(read_words(path)) <= set(load_tokenizer(tokens).symbols):
        raise UserError(f"pseudo.lm = {path}: a model of tokens, and not of words, as kappa-asr lm makes it by itself")
    decode = DecodeConfig(decoder="lm", beam=settings.beam)
    return fuse(decode, path, tokens, "pseudo.lm", tell).weighted(Weights(settings.lm_weight, 0.0))
