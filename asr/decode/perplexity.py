"""How well an n-gram model foretells a text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asr.decode.ngram import NgramModel
from asr.decode.ngram_counts import SPECIAL, UNKNOWN, FloatArray, IdArray, encode_text


@dataclass(frozen=True)
class Perplexity:
    value: float
    """Of the known words and the ends of sentences; NaN where there are none. Unknown words are contexts only."""
    predicted: int
    """Known words and ends of sentences."""
    words: int
    unknown: int
    """How many of the words the model does not know."""


def _log_probabilities(model: NgramModel, text: IdArray) -> FloatArray:
    """Natural logarithms of every word's probability after the words before it in its sentence, `(ids,)`."""
    begin = text == SPECIAL.index("<s>")
    with np.errstate(divide="ignore"):
        logs = np.log(model.tables[0].probability)[text]
    row = text.astype(np.int64)
    for below, table in zip(model.tables, model.tables[1:], strict=False):
        context = np.where(begin, -1, np.concatenate(([-1], row[:-1])))
        backoff = np.where(context >= 0, np.log(below.backoff)[context], 0.0)
        keys = table.context * np.int64(len(model.words)) + table.word
        wanted = context * len(model.words) + text
        row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        row = np.where((context >= 0) & (keys[row] == wanted), row, -1)
        logs = np.where(row >= 0, np.log(table.probability)[row], logs + backoff)
    return logs


def measure_perplexity(model: NgramModel, sentences: Iterable[Sequence[str]]) -> Perplexity:
    """Perplexity per word, a sentence's end being one."""
    words, text = encode_text(sentences)
    ids = {word: number for number, word in enumerate(model.words)}
    text = np.array([ids.get(word, 0) for word in words], dtype=np.int32)[text]
    unknown = text == SPECIAL.index(UNKNOWN)
    begin = text == SPECIAL.index("<s>")
    end = text == SPECIAL.index("</s>")
    predicted = ~begin & ~unknown
    logs = _log_probabilities(model, text)[predicted]
    value = math.exp(-logs.mean()) if len(logs) else math.nan
    return Perplexity(value, int(predicted.sum()), int((~begin & ~end).sum()), int(unknown.sum()))
