"""Labels of known words: a search with a lexicon and n-grams, in training.

Where the labeled text has the words that are to be expected in other audio, as with digits and commands, much of what a
weak teacher writes is no word at all, and is put right. With a language model of much other text a student may learn
what that prefers (why slimIPL has none: Likhomanenko et al., Interspeech 2021).
"""

from __future__ import annotations

from pathlib import Path

from asr.config import DecodeConfig, PseudoConfig
from asr.decode.choice import fuse
from asr.decode.search import Search
from asr.errors import UserError


def open_word_search(settings: PseudoConfig, tokens: Path) -> Search:
    """The search that the settings name.

    Args:
        settings: its language model and widths.
        tokens: the model's token inventory.

    Raises:
        UserError: the language model or a package is missing, or they do not belong together.
    """
    if not settings.lm:
        raise UserError(
            "pseudo.search = words: pseudo.lm names no language model; stage 3 of the recipe makes one of the labeled "
            "text, and so does kappa-asr lm"
        )
    decode = DecodeConfig(decoder="lm", beam=settings.beam)
    path = Path(settings.lm).expanduser()
    return fuse(decode, path, tokens).weighted(settings.lm_weight, 0.0)
