"""What each token writes: the one notation in which characters and word pieces look alike."""

from __future__ import annotations

from pathlib import Path

from asr.data.phones import BETWEEN, PhoneTokenizer
from asr.data.tokens import ALPHABET, CharTokenizer, load_tokenizer

BOUNDARY = "▁"
"""Stands where a word begins."""
BLANK_SYMBOL = "<blank>"
UNKNOWN_TEXT = "⁇"


def read_symbols(tokens: Path) -> list[str]:
    """What each token id writes; `BOUNDARY` stands between words. Id 0, the blank, writes nothing.

    Raises:
        UserError: the folder has no token inventory.
    """
    tokenizer = load_tokenizer(tokens)
    if isinstance(tokenizer, PhoneTokenizer):
        return [BLANK_SYMBOL, *(BOUNDARY if token == BETWEEN else token for token in tokenizer.tokens)]
    if isinstance(tokenizer, CharTokenizer):
        return [BLANK_SYMBOL, *ALPHABET.replace("|", BOUNDARY)]
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(tokens / "pieces.model"))
    known = range(pieces.get_piece_size())
    return [BLANK_SYMBOL, *(UNKNOWN_TEXT if pieces.is_unknown(i) else pieces.id_to_piece(i) for i in known)]
