"""Beam search with an n-gram model of words, by ctc-beam-decoder: for Pythons that flashlight-text has no wheel for.

It works as pyctcdecode does: words outside the lexicon are not impossible, but cost 10 nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ctc_beam_decoder as untyped
from torch import Tensor

from asr.data.tokens import Tokenizer
from asr.decode.language_model import LanguageModel
from asr.decode.search import Search, Sentence, Weights, one_by_one
from asr.errors import UserError

ctc_beam_decoder: Any = untyped


class OpenVocabularySearch:
    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        width: int,
        hotwords: Sequence[str],
        hotword_score: float,
    ) -> None:
        """Arguments are those of `FlashlightSearch`.

        Raises:
            UserError: the language model is one of tokens, or tokens are phones.
        """
        if model.words is None or not tokenizer.writes_words:
            what = f"{model.path}: a model of tokens" if model.words is None else "words from phones: a search"
            raise UserError(f"{what}, which needs flashlight-text; it has wheels up to Python 3.12")
        self._model, self._tokenizer, self._width = model, tokenizer, width
        # Its words are those of `str.split`; its blank writes nothing.
        self._labels = ["", *tokenizer.symbols[1:]]
        if tokenizer.boundary is not None:
            self._labels[tokenizer.boundary] = " "
        self._hotwords = list(hotwords)
        self._hotword_score = hotword_score

    def weighted(self, weights: Weights) -> Search:
        """A search with these weights, which are for natural logarithms."""
        try:
            decoder = ctc_beam_decoder.build_ctcdecoder(
                self._labels,
                str(self._model.path),
                self._model.words,
                alpha=weights.lm_weight,
                beta=weights.word_score,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(f"{self._model.path}: KenLM cannot read this language model ({error})") from None

        def best(log_probs: Tensor) -> Sentence:
            if not len(log_probs):
                return Sentence([])
            text = decoder.decode(
                log_probs.numpy(),
                beam_width=self._width,
                hotwords=self._hotwords,
                hotword_weight=self._hotword_score,
            )
            return Sentence(self._tokenizer.encode(text))

        return one_by_one(best, weights.blank_penalty)
