"""Language models of real prose, where there is some."""

from __future__ import annotations

import itertools
import lzma
from pathlib import Path

import pytest

from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.perplexity import Perplexity, measure_perplexity
from asr.score.transcripts import read_transcripts


def test_pruning_makes_a_model_of_prose_a_sixth_as_large_and_hardly_worse(speech_data: Path) -> None:
    with lzma.open(speech_data / "text" / "librispeech-like.txt.xz", "rt", encoding="utf-8") as file:
        text = [line.split() for line in itertools.islice(file, 15_000)]
    held_out = [
        line.split()
        for path in sorted((speech_data / "LibriSpeech" / "dev-clean").rglob("*.trans.txt"))
        for line in read_transcripts(path).values()
    ]

    def measure(prune: float) -> tuple[int, Perplexity]:
        model = train_ngrams(text, NgramSettings(4, prune=prune, most_words=8000))
        return sum(len(table.word) for table in model.tables), measure_perplexity(model, held_out)

    whole, small = measure(0.0), measure(2e-6)
    assert whole[1].value == pytest.approx(256, abs=10)
    assert small[0] < whole[0] / 6
    assert small[1].value < 1.08 * whole[1].value
    assert 0.05 < small[1].unknown / small[1].words < 0.15
