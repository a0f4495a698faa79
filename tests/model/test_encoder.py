from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from asr.config import ModelConfig
from asr.model.encoder import Encoder, Regularizer, count_parameters

SMALL = {"layers": 2, "width": 32, "heads": 2, "feedforward": 64}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["rotary", "cape"])
def test_an_utterance_alone_and_in_a_padded_batch_has_the_same_log_probabilities(
    norm: Literal["pre", "post"], positions: Literal["rotary", "cape"]
) -> None:
    model = Encoder(8, 5, ModelConfig(norm=norm, positions=positions, **SMALL)).eval()
    features = torch.randn(1, 40, 8)
    padded = torch.zeros(2, 96, 8)
    padded[0, :40], padded[1] = features[0], torch.randn(96, 8)
    alone, length = model(features, torch.tensor([40]))
    together, lengths = model(padded, torch.tensor([40, 96]))
    count = int(length[0])
    assert lengths.tolist() == [count, 32] == [14, 32]
    torch.testing.assert_close(together[0, :count], alone[0, :count], rtol=1e-4, atol=1e-5)


def test_log_probabilities_are_fp32_and_sum_to_one_under_bf16() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    with torch.autocast("cpu", torch.bfloat16):
        log_probs, _ = model(torch.randn(2, 48, 8), torch.tensor([48, 30]))
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 16))


def test_an_utterance_without_frames_gives_finite_numbers_and_gradients() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    log_probs, lengths = model(torch.zeros(2, 48, 8), torch.tensor([0, 48]))
    log_probs.sum().backward()
    assert lengths.tolist() == [0, 16]
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_skipped_block_has_gradients_of_zero_and_changes_nothing() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    features, frames = torch.randn(1, 48, 8), torch.tensor([48])
    log_probs, _ = model(features, frames, Regularizer(0.0, 1.0, np.random.default_rng(0)))
    log_probs.sum().backward()
    for parameter in model.blocks.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()
    expected = torch.log_softmax(model.head(model.norm(model.frontend(features))), -1)
    torch.testing.assert_close(log_probs, expected)


def test_dropout_and_skipping_follow_the_generator() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    features, frames = torch.randn(1, 48, 8), torch.tensor([48])

    def run(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        out: torch.Tensor = model(features, frames, Regularizer(0.3, 0.5, np.random.default_rng(seed)))[0]
        return out

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_the_paper_s_model_has_about_255_million_parameters() -> None:
    config = ModelConfig(layers=36, width=768, heads=4, feedforward=3072)
    with torch.device("meta"):
        assert 250e6 < count_parameters(Encoder(80, 29, config)) < 260e6
