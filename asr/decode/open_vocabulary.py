"""Beam search with an n-gram model of words, by ctc-beam-decoder: for Pythons that flashlight-text has no wheel for.

It works as pyctcdecode does: words outside the lexicon are not impossible, but cost 10 nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ctc_beam_decoder as untyped
from torch import Tensor

from asr.data.symbols import BOUNDARY
from asr.data.tokens import CharTokenizer, Tokenizer
from asr.decode.language_model import LanguageModel
from asr.decode.search import Search, one_by_one
from asr.errors import UserError

ctc_beam_decoder: Any = untyped


class OpenVocabularySearch:
    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        symbols: Sequence[str],
        width: int,
        hotwords: Sequence[str],
        hotword_score: float,
    ) -> None:
        """Arguments are those of `FlashlightSearch`. Raises UserError where the model is one of tokens."""
        if model.words is None:
            raise UserError(
                f"{model.path}: a model of tokens, which needs flashlight-text; it has wheels up to Python 3.12"
            )
        self._model, self._tokenizer, self._width = model, tokenizer, width
        # Its words are those of `str.split`; its blank writes nothing.
        self._labels = ["", *symbols[1:]]
        if isinstance(tokenizer, CharTokenizer):
            self._labels[symbols.index(BOUNDARY)] = " "
        self._hotwords = [" ".join(phrase.upper().split()) for phrase in hotwords]
        self._hotword_score = hotword_score

    def weighted(self, lm_weight: float, word_score: float) -> Search:
        """A search with these weights, both on natural logarithms."""
        try:
            decoder = ctc_beam_decoder.build_ctcdecoder(
                self._labels, str(self._model.path), self._model.words, alpha=lm_weight, beta=word_score
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(f"{self._model.path}: KenLM cannot read this language model ({error})") from None

        def best(log_probs: Tensor) -> list[int]:
            if not len(log_probs):
                return []
            text = decoder.decode(
                log_probs.numpy(),
                beam_width=self._width,
                hotwords=self._hotwords,
                hotword_weight=self._hotword_score,
            )
            return self._tokenizer.encode(text)

        return one_by_one(best)
