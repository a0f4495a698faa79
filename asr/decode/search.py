"""Which search turns log-probabilities into tokens, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from asr.config import DecodeConfig
from asr.data.symbols import read_symbols
from asr.data.tokens import Tokenizer, load_tokenizer
from asr.decode.beam import BeamSearch
from asr.decode.greedy import pack_best, unpack_best
from asr.decode.hotwords import Hotwords
from asr.decode.language_model import TO_INSTALL, LanguageModel, open_language_model
from asr.errors import UserError

Search = Callable[[Tensor, Tensor], list[list[int]]]
"""Token ids of each utterance, from log-probabilities `(batch, frames, tokens)` and real frames `(batch,)`."""


@dataclass(frozen=True)
class NamedSearch:
    name: str
    """As people read it, with its settings."""
    folder: str
    """Below a run's `evaluation`."""
    run: Search


def one_by_one(best: Callable[[Tensor], list[int]]) -> Search:
    """A search of one utterance after the other, and so the same for every batch.

    Args:
        best: token ids from one utterance's log-probabilities `(frames, tokens)`, in fp32 on the host.
    """

    def search(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
        rows = log_probs.float().cpu()
        return [best(row[:count]) for row, count in zip(rows, lengths.tolist(), strict=True)]

    return search


class WeightedSearch(Protocol):
    """A search with a language model, before its weights are known."""

    def weighted(self, lm_weight: float, word_score: float) -> Search: ...


def search_greedily(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The likeliest path of each utterance."""
    return [label.ids for label in unpack_best(pack_best(log_probs, lengths))]


def check_hotwords(phrases: Sequence[str], tokenizer: Tokenizer) -> None:
    """Raises UserError where a phrase could never be written."""
    for phrase in phrases:
        if tokenizer.decode(tokenizer.encode(phrase)) != " ".join(phrase.upper().split()):
            raise UserError(f"hotword {phrase!r}: has characters that the model has no token for; spell it out")


def fuse(config: DecodeConfig, path: Path, tokens: Path, lexicon_setting: str = "decode.lexicon") -> WeightedSearch:
    """A search with the language model at `path`; errors call the lexicon's setting `lexicon_setting`.

    Raises:
        UserError: the model, its lexicon or a package is missing, or they do not belong together.
    """
    symbols, tokenizer = read_symbols(tokens), load_tokenizer(tokens)
    check_hotwords(config.hotwords, tokenizer)
    model = open_language_model(path, config.lexicon, symbols, lexicon_setting)
    hotwords = config.hotwords, config.hotword_score
    try:
        from asr.decode.flashlight import FlashlightSearch
    except ImportError:
        return _without_flashlight(config, model, tokenizer, symbols)
    return FlashlightSearch(model, tokenizer, symbols, config.beam, config.tokens, *hotwords)


def _without_flashlight(
    config: DecodeConfig, model: LanguageModel, tokenizer: Tokenizer, symbols: Sequence[str]
) -> WeightedSearch:
    try:
        from asr.decode.open_vocabulary import OpenVocabularySearch
    except (ImportError, OSError):
        raise UserError(TO_INSTALL) from None
    return OpenVocabularySearch(model, tokenizer, symbols, config.beam, config.hotwords, config.hotword_score)


def search_prefixes(config: DecodeConfig, tokens: Path) -> BeamSearch:
    """A beam search without a language model. Raises UserError where a hotword cannot be written."""
    check_hotwords(config.hotwords, load_tokenizer(tokens))
    hotwords = Hotwords(config.hotwords, config.hotword_score) if config.hotwords else None
    return BeamSearch(config.beam, config.tokens, read_symbols(tokens), hotwords)
