"""Text as word pieces, which sentencepiece learns from the labeled text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.config import TokenConfig
from asr.data.characters import same_letters
from asr.data.symbols import BLANK_SYMBOL, UNKNOWN_TEXT
from asr.errors import UserError

MODEL = "pieces"


class PieceTokenizer:
    """A sentencepiece model; its ids are moved up by one to make room for the blank."""

    writes_words = True
    boundary = None

    def __init__(self, path: Path, cased: bool) -> None:
        """`cased`: whether the model was made from text in the case that it had, and not in upper case."""
        from sentencepiece import SentencePieceProcessor

        self._model: Any = SentencePieceProcessor(model_file=str(path))
        self._cased = cased
        pieces = range(self._model.get_piece_size())
        self.symbols = [
            BLANK_SYMBOL,
            *(UNKNOWN_TEXT if self._model.is_unknown(i) else str(self._model.id_to_piece(i)) for i in pieces),
        ]
        self.size = len(self.symbols)

    def encode(self, text: str) -> list[int]:
        return [i + 1 for i in self._model.encode(text if self._cased else text.upper())]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._model.decode([i - 1 for i in ids if i])
        return " ".join(text.split())

    def unknown(self, text: str) -> list[str]:
        """What no piece writes."""
        pieces = self._model.encode(text if self._cased else text.upper(), out_type=str)
        ids = self._model.encode(text if self._cased else text.upper())
        return [c for i, piece in zip(ids, pieces, strict=True) if self._model.is_unknown(i) for c in piece]

    def write(self, word: str) -> str | None:
        written = self.decode(self.encode(word))
        return written if written and same_letters(written, word) else None

    def spell(self, words: Sequence[str]) -> list[list[list[int]]]:
        return [[self.encode(word)] if self.write(word) else [] for word in words]


def train_pieces(config: TokenConfig, texts: Sequence[str], out: Path) -> None:
    """Learn a model from texts as they are. Raises UserError where they have not so many pieces."""
    import sentencepiece

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(out / MODEL),
            model_type=config.kind,
            vocab_size=config.size,
            character_coverage=1.0,
            # Texts went through our normaliser; sentencepiece's own makes blanks of the joiners within Persian words.
            normalization_rule_name="identity",
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise UserError(f"tokens.size = {config.size}: sentencepiece cannot learn it ({error})") from None
