"""What all searches have in common: log-probabilities in, sentences out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from asr.data.tokens import Tokenizer
from asr.decode.blank import lower_blank
from asr.decode.greedy import pack_best, unpack_best


@dataclass(frozen=True)
class SpelledWord:
    text: str
    ids: list[int]
    """The tokens that it was found by, without those that stand between words."""


@dataclass(frozen=True)
class Sentence:
    """What a search finds in an utterance."""

    ids: list[int]
    words: list[SpelledWord] | None = None
    """The words of a lexicon, whose tokens lie in `ids` in this order. None: what is written follows from `ids`."""

    def text(self, tokenizer: Tokenizer) -> str:
        return tokenizer.decode(self.ids) if self.words is None else " ".join(word.text for word in self.words)


Search = Callable[[Tensor, Tensor], list[Sentence]]
"""Each utterance's sentence, from log-probabilities `(batch, frames, tokens)` and real frames `(batch,)`."""


class Weights(NamedTuple):
    """What is weighed against what a model hears."""

    lm_weight: float
    """What the language model's log-probabilities are multiplied with."""
    word_score: float
    """Nats for every word."""
    blank_penalty: float = 0.0
    """Nats by which the blank is lowered; see `lower_blank`."""

    def __str__(self) -> str:
        words = f"weight {self.lm_weight:g}, word score {self.word_score:+g}"
        return words + (f", blank penalty {self.blank_penalty:g}" if self.blank_penalty else "")


class WeightedSearch(Protocol):
    """A search with a language model, before its weights are known."""

    def weighted(self, weights: Weights) -> Search: ...


def one_by_one(best: Callable[[Tensor], Sentence], blank_penalty: float) -> Search:
    """A search of one utterance after the other, and so the same for every batch.

    Args:
        best: the sentence in one utterance's log-probabilities `(frames, tokens)`, in fp32 on the host.
        blank_penalty: by which they are lowered for the blank.
    """

    def search(log_probs: Tensor, lengths: Tensor) -> list[Sentence]:
        rows = lower_blank(log_probs.float().cpu(), blank_penalty)
        return [best(row[:count]) for row, count in zip(rows, lengths.tolist(), strict=True)]

    return search


def search_greedily(log_probs: Tensor, lengths: Tensor) -> list[Sentence]:
    """The likeliest path of each utterance."""
    return [Sentence(label.ids) for label in unpack_best(pack_best(log_probs, lengths))]
