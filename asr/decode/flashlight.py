"""Beam search with an n-gram model, by flashlight-text and the KenLM in it.

Pratap et al., "wav2letter++: a fast open-source speech recognition system" (ICASSP 2019). With a lexicon, words are
spelled along a tree and scored where they end; without one, every token is scored by a model of tokens.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from flashlight.lib.text import decoder as untyped
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from asr.data.symbols import BOUNDARY
from asr.data.tokens import BLANK, CharTokenizer, Tokenizer
from asr.decode.greedy import collapse
from asr.decode.hotwords import Hotwords
from asr.decode.language_model import LanguageModel
from asr.decode.ngram_counts import UNKNOWN
from asr.decode.search import Search, one_by_one
from asr.errors import UserError

flashlight: Any = untyped

THRESHOLD = 25.0
"""Hypotheses that are so many nats worse than the best are dropped."""
IMPOSSIBLE = -1e4
SMALLEST_WEIGHT = 1e-6
"""Hotwords are added to the model's scores, and so need a weight that is not 0."""


@contextmanager
def _without_bars() -> Iterator[None]:
    """Nothing is written to standard error meanwhile: KenLM draws its progress there, and what it raises says more."""
    try:
        saved = os.dup(2)
    except OSError:
        # There is no standard error.
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


class _WithHotwords(flashlight.LM):  # type: ignore[misc]
    """A language model to which hotwords add their bonus; `units` are what the decoder's numbers write."""

    def __init__(self, model: Any, hotwords: Hotwords, units: Sequence[str], scale: float) -> None:
        super().__init__()
        self._model, self._hotwords, self._units, self._scale = model, hotwords, units, scale
        # flashlight knows states by their address: they must live as long as the decoder uses them.
        self._states: dict[Any, tuple[Any, int]] = {}
        self._scores: dict[Any, float] = {}

    def start(self, start_with_nothing: bool) -> Any:
        self._states.clear()
        self._scores.clear()
        state = flashlight.LMState()
        self._states[state] = self._model.start(start_with_nothing), self._hotwords.start
        return state

    def score(self, state: Any, unit: int) -> tuple[Any, float]:
        after = state.child(unit)
        if after not in self._states:
            inner, at = self._states[state]
            inner, score = self._model.score(inner, unit)
            at, earned = self._hotwords.step(at, self._units[unit])
            self._states[after] = inner, at
            self._scores[after] = score + earned / self._scale
        return after, self._scores[after]

    def finish(self, state: Any) -> tuple[Any, float]:
        inner, at = self._states[state]
        return state, self._model.finish(inner)[1] + self._hotwords.finish(at) / self._scale


class FlashlightSearch:
    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        symbols: Sequence[str],
        width: int,
        tokens: int,
        hotwords: Sequence[str],
        hotword_score: float,
    ) -> None:
        """
        Args:
            model: n-grams and lexicon. Hotwords join the lexicon.
            tokenizer: spells the words.
            symbols: what each token writes.
            width: hypotheses that are kept.
            tokens: of each frame only so many, the likeliest, go into hypotheses.
            hotwords: phrases that are expected.
            hotword_score: what a whole one is worth, in nats.

        Raises:
            UserError: KenLM cannot read the model, or no word of the lexicon can be spelled.
        """
        self._width, self._tokens, self._known = width, tokens, len(symbols)
        self._hotwords = Hotwords(hotwords, hotword_score) if hotwords else None
        # Words end with a boundary where this is a token of its own, which may be repeated like silence. Otherwise a
        # token that never occurs stands for silence: flashlight has to have one.
        self._boundary = symbols.index(BOUNDARY) if isinstance(tokenizer, CharTokenizer) else None
        self._silence = len(symbols) if self._boundary is None else self._boundary
        if model.words is None:
            units, self._units = list(symbols), list(symbols)
        else:
            expected = [word.upper() for phrase in hotwords for word in phrase.split()]
            units = [*dict.fromkeys([*model.words, *expected]), UNKNOWN]
            self._units = [BOUNDARY + unit.upper() for unit in units]
        self._dictionary = Dictionary(units)
        try:
            with _without_bars():
                self._model = KenLM(str(model.path), self._dictionary)
        except RuntimeError as error:
            raise UserError(f"{model.path}: KenLM cannot read this language model ({error})") from None
        self._spellings = None if model.words is None else self._spell(units[:-1], tokenizer, str(model.path))
        self._tree = None if self._hotwords or not self._spellings else self._plant(self._model)

    def _spell(self, words: Sequence[str], tokenizer: Tokenizer, where: str) -> list[tuple[int, list[int]]]:
        """Numbers and tokens of the words that can be spelled without losing letters, as those of digits would be."""
        end = [] if self._boundary is None else [self._boundary]
        found = ((number, word, tokenizer.encode(word)) for number, word in enumerate(words))
        spelled = [(number, ids + end) for number, word, ids in found if ids and tokenizer.decode(ids) == word.upper()]
        if not spelled:
            raise UserError(f"{where}: none of its words, such as {words[0]!r}, can be spelled with the model's tokens")
        return spelled

    def _plant(self, model: Any) -> Any:
        """The tree of all spellings. On the way to a word its score is expected, or it would be lost before."""
        tree = flashlight.Trie(self._known + 1, self._silence)
        start = model.start(False)
        for number, ids in self._spellings or ():
            tree.insert(ids, number, model.score(start, number)[1])
        tree.smear(flashlight.SmearingMode.MAX)
        return tree

    def weighted(self, lm_weight: float, word_score: float) -> Search:
        """A search with these weights, both on natural logarithms."""
        # KenLM's logarithms are to base 10.
        scale = max(lm_weight * math.log(10), SMALLEST_WEIGHT)
        model, tree = self._model, self._tree
        if self._hotwords is not None:
            model = _WithHotwords(model, self._hotwords, self._units, scale)
            tree = self._plant(model) if self._spellings else None
        common: dict[str, Any] = {
            "beam_size": self._width,
            "beam_size_token": self._tokens,
            "beam_threshold": THRESHOLD,
            "lm_weight": scale,
            "sil_score": 0.0,
            "log_add": True,
            "criterion_type": flashlight.CriterionType.CTC,
        }
        if tree is None:
            options = flashlight.LexiconFreeDecoderOptions(**common)
            decoder = flashlight.LexiconFreeDecoder(options, model, self._silence, BLANK, [])
        else:
            options = flashlight.LexiconDecoderOptions(**common, word_score=word_score, unk_score=-math.inf)
            unknown = self._dictionary.get_index(UNKNOWN)
            decoder = flashlight.LexiconDecoder(options, tree, model, self._silence, BLANK, unknown, [], False)

        # The decoder does not keep a model alive that is written in Python.
        held = decoder, model
        return one_by_one(lambda log_probs: self._best(held[0], log_probs))

    def _best(self, decoder: Any, log_probs: Tensor) -> list[int]:
        if self._spellings is not None and self._boundary is not None:
            # The last word ends with the audio, which the model never hears as a boundary.
            end = torch.full((1, self._known), IMPOSSIBLE)
            end[0, self._boundary] = 0.0
            log_probs = torch.cat((log_probs, end))
        elif self._spellings is not None:
            log_probs = torch.nn.functional.pad(log_probs, (0, 1), value=IMPOSSIBLE)
        log_probs = log_probs.contiguous()
        if not len(log_probs):
            return []
        found = decoder.decode(log_probs.data_ptr(), *log_probs.shape)
        if not found:
            # Not even one word fits.
            return []
        # Before the first frame and behind the last one there is a token of no meaning.
        ids = [i for i in collapse(np.array(found[0].tokens[1:-1])) if i < self._known]
        return ids[:-1] if ids[-1:] == [self._boundary] else ids
