from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_model import make_run

from asr.config import TokenConfig
from asr.data.tokens import load_tokenizer
from asr.decode.greedy import collapse
from asr.recognizer.words import best_peaks, time_word, write_words


@pytest.mark.parametrize(
    "tokens", [TokenConfig(), TokenConfig(kind="bpe", size=24), TokenConfig(kind="unigram", size=20)]
)
def test_words_are_those_of_the_tokenizer(tokens: TokenConfig, tmp_path: Path) -> None:
    folder = make_run(tmp_path, tokens=tokens) / "tokens"
    tokenizer = load_tokenizer(folder)
    symbols = tokenizer.symbols
    assert len(symbols) == tokenizer.size
    unknown = {i for i, symbol in enumerate(symbols) if symbol == "⁇"}
    rng = np.random.default_rng(0)
    usual = [i for i in range(tokenizer.size) if i not in unknown]
    for _ in range(20):
        ids = rng.choice(usual, 60)
        log_probs = torch.nn.functional.one_hot(torch.from_numpy(ids), tokenizer.size).float().mul(9).log_softmax(-1)
        words = [text for text, _ in write_words(best_peaks(log_probs), symbols)]
        assert " ".join(words) == tokenizer.decode(collapse(ids.astype(np.int64)))


def test_times_and_confidence_are_of_a_word_s_own_frames() -> None:
    symbols = ["<blank>", "▁", "A", "B"]
    probs = torch.full((8, 4), 0.01)
    for frame, (token, p) in enumerate(
        [(0, 0.9), (2, 0.5), (2, 0.8), (0, 0.9), (3, 0.6), (1, 0.9), (0, 0.9), (2, 0.7)]
    ):
        probs[frame, token] = p
    one, two = (time_word(text, own, 100, 0.03) for text, own in write_words(best_peaks(probs.log()), symbols))
    assert (one.text, one.start, one.end, one.confidence) == ("AB", 3.03, 3.15, pytest.approx(0.7))
    assert (two.text, two.start, two.end, two.confidence) == ("A", 3.21, 3.24, pytest.approx(0.7))


def test_silence_has_no_word() -> None:
    assert best_peaks(torch.zeros(0, 4)) == []
