"""Beam search with an n-gram model, by flashlight-text and the KenLM in it.

Pratap et al., "wav2letter++: a fast open-source speech recognition system" (ICASSP 2019). With a lexicon, words are
spelled along a tree and scored where they end; without one, every token is scored by a model of tokens.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from flashlight.lib.text import decoder as untyped
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from asr.data.symbols import BOUNDARY
from asr.data.tokens import BLANK, Tokenizer
from asr.decode.hotwords import Hotwords
from asr.decode.language_model import LanguageModel
from asr.decode.ngram_counts import UNKNOWN
from asr.decode.repeats import merge_repeats
from asr.decode.search import Search, Sentence, SpelledWord, Weights, one_by_one
from asr.errors import UserError

flashlight: Any = untyped

THRESHOLD = 20.0
"""Hypotheses that are so many nats worse than the best are dropped."""
IMPOSSIBLE = -1e4
SHOWN = 5
MOST_WORDS = 6
"""Words that flashlight's tree keeps of those with one spelling; it drops others without an error."""
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
        width: int,
        tokens: int,
        hotwords: Sequence[str],
        hotword_score: float,
    ) -> None:
        """
        Args:
            model: n-grams and lexicon. Hotwords join the lexicon.
            tokenizer: spells the words.
            width: hypotheses that are kept.
            tokens: of each frame only so many, the likeliest, go into hypotheses.
            hotwords: phrases that are expected.
            hotword_score: what a whole one is worth, in nats.

        Raises:
            UserError: KenLM cannot read the model, or no word of the lexicon can be spelled.
        """
        symbols = tokenizer.symbols
        self._width, self._tokens, self._known = width, tokens, tokenizer.size
        self.notes: list[str] = []
        """On words of the lexicon that can never be found."""
        self._hotwords = Hotwords(hotwords, hotword_score) if hotwords else None
        # Words end with a boundary where this is a token of its own, which may be repeated like silence. Otherwise a
        # token that never occurs stands for silence: flashlight has to have one.
        self._boundary = tokenizer.boundary
        self._silence = self._known if self._boundary is None else self._boundary
        if model.words is None:
            units, self._units = list(symbols), [symbol.upper() for symbol in symbols]
        else:
            expected = [word for phrase in hotwords for word in phrase.split()]
            units = [*dict.fromkeys([*model.words, *expected]), UNKNOWN]
            self._units = [BOUNDARY + unit.upper() for unit in units]
        self._dictionary = Dictionary(units)
        try:
            with _without_bars():
                self._model = KenLM(str(model.path), self._dictionary)
        except RuntimeError as error:
            raise UserError(f"{model.path}: KenLM cannot read this language model ({error})") from None
        self._spellings: list[tuple[int, list[int]]] = []
        self._written: list[str] | None = None
        """What is written for each word; None where that follows from its tokens."""
        if model.words is not None:
            self._spell(units[:-1], tokenizer, str(model.path))
            if not tokenizer.writes_words:
                self._written = [tokenizer.write(unit) or "" for unit in units]
        self._tree = None if self._hotwords or not self._spellings else self._plant(self._model)

    def _spell(self, words: Sequence[str], tokenizer: Tokenizer, where: str) -> None:
        """Note numbers and tokens of the words that can be spelled without losing letters, as those of digits would be.

        Words that are spelled alike, as homophones are in phones, are told apart by the model; of more than the tree
        keeps those with the highest probability on their own are taken.
        """
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        spelled = tokenizer.spell(words)
        for number, ways in enumerate(spelled):
            for ids in ways:
                alike[tuple(ids)].append(number)
        if not alike:
            raise UserError(f"{where}: none of its words, such as {words[0]!r}, can be spelled with the model's tokens")
        start, end = self._model.start(False), [] if self._boundary is None else [self._boundary]
        dropped: set[int] = set()
        for way, ranked in alike.items():
            if len(ranked) > MOST_WORDS:
                ranked.sort(key=lambda number: -self._model.score(start, number)[1])
            self._spellings += [(number, [*way, *end]) for number in ranked[:MOST_WORDS]]
            dropped.update(ranked[MOST_WORDS:])
        found = {number for number, _ in self._spellings}
        silent = {number for number, ways in enumerate(spelled) if not ways}
        alone = f"of words with the same tokens only the {MOST_WORDS} likeliest are kept"
        for numbers, what in (
            (silent, "are left out, as the model's tokens cannot spell them"),
            (dropped - found, f"are left out, as {alone}"),
            (dropped & found, f"lose one of several pronunciations, as {alone}"),
        ):
            if numbers:
                shown = ", ".join(words[number] for number in sorted(numbers)[:SHOWN]) + " …" * (len(numbers) > SHOWN)
                self.notes.append(f"{where}: {len(numbers):,} of {len(words):,} words {what}: {shown}")

    def _plant(self, model: Any) -> Any:
        """The tree of all spellings. On the way to a word its score is expected, or it would be lost before."""
        tree = flashlight.Trie(self._known + 1, self._silence)
        start = model.start(False)
        for number, ids in self._spellings:
            tree.insert(ids, number, model.score(start, number)[1])
        tree.smear(flashlight.SmearingMode.MAX)
        return tree

    def weighted(self, weights: Weights) -> Search:
        """A search with these weights, which are for natural logarithms."""
        # KenLM's logarithms are to base 10.
        scale = max(weights.lm_weight * math.log(10), SMALLEST_WEIGHT)
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
            options = flashlight.LexiconDecoderOptions(**common, word_score=weights.word_score, unk_score=-math.inf)
            unknown = self._dictionary.get_index(UNKNOWN)
            decoder = flashlight.LexiconDecoder(options, tree, model, self._silence, BLANK, unknown, [], False)

        # The decoder does not keep a model alive that is written in Python.
        held = decoder, model
        return one_by_one(lambda log_probs: self._best(held[0], log_probs), weights.blank_penalty)

    def _best(self, decoder: Any, log_probs: Tensor) -> Sentence:
        if self._spellings and self._boundary is not None:
            # The last word ends with the audio, which the model never hears as a boundary.
            end = torch.full((1, self._known), IMPOSSIBLE)
            end[0, self._boundary] = 0.0
            log_probs = torch.cat((log_probs, end))
        elif self._spellings:
            log_probs = torch.nn.functional.pad(merge_repeats(log_probs), (0, 1), value=IMPOSSIBLE)
        log_probs = log_probs.contiguous()
        found = decoder.decode(log_probs.data_ptr(), *log_probs.shape) if len(log_probs) else []
        # Where nothing is found, not even one word fits.
        return self._read(found[0].tokens, found[0].words) if found else self._read([], [])

    def _read(self, tokens: Sequence[int], numbers: Sequence[int]) -> Sentence:
        """A sentence of what flashlight found in each frame: tokens, and numbers of words where they end."""
        ids: list[int] = []
        words: list[SpelledWord] = []
        before, begun = BLANK, 0
        # Before the first frame and behind the last one there is a token of no meaning.
        for token, number in zip(tokens[1:-1], numbers[1:-1], strict=True):
            if token not in (before, BLANK, self._known):
                ids.append(token)
            before = token
            if number >= 0 and self._written is not None:
                own = [i for i in ids[begun:] if i != self._boundary]
                words.append(SpelledWord(self._written[number], own))
                begun = len(ids)
        if self._boundary is not None and ids[-1:] == [self._boundary]:
            ids.pop()
        return Sentence(ids, None if self._written is None else words)
