from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from asr.config import ModelConfig
from asr.model.encoder import Encoder, Frontend, Regularizer, count_parameters, halve

SMALL = {"layers": 2, "width": 32, "heads": 2, "feedforward": 64}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("half_rate", [0, 1])
@pytest.mark.parametrize("convolution", [0, 5])
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["rotary", "cape"])
def test_an_utterance_alone_and_in_a_padded_batch_has_the_same_log_probabilities(
    norm: Literal["pre", "post"], positions: Literal["rotary", "cape"], convolution: int, half_rate: int
) -> None:
    config = ModelConfig(norm=norm, positions=positions, convolution=convolution, half_rate=half_rate, **SMALL)
    model = Encoder(8, 5, config).eval()
    # 13 encoder frames: the last of them has no other to make a pair with.
    features = torch.randn(1, 39, 8)
    padded = torch.zeros(2, 96, 8)
    padded[0, :39], padded[1] = features[0], torch.randn(96, 8)
    alone, length, *_ = model(features, torch.tensor([39]))
    together, lengths, *_ = model(padded, torch.tensor([39, 96]))
    count = int(length[0])
    assert lengths.tolist() == [count, 32] == [13, 32]
    torch.testing.assert_close(together[0, :count], alone[0, :count], rtol=1e-4, atol=1e-5)


def test_log_probabilities_are_fp32_and_sum_to_one_under_bf16() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    with torch.autocast("cpu", torch.bfloat16):
        log_probs, *_ = model(torch.randn(2, 48, 8), torch.tensor([48, 30]))
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 16))


def test_an_utterance_without_frames_gives_finite_numbers_and_gradients() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    log_probs, lengths, *_ = model(torch.zeros(2, 48, 8), torch.tensor([0, 48]))
    log_probs.sum().backward()
    assert lengths.tolist() == [0, 16]
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_skipped_block_has_gradients_of_zero_and_changes_nothing() -> None:
    model = Encoder(8, 5, ModelConfig(**SMALL))
    features, frames = torch.randn(1, 48, 8), torch.tensor([48])
    log_probs, *_ = model(features, frames, Regularizer(0.0, 1.0, np.random.default_rng(0)))
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


def test_blocks_of_half_rate_that_change_nothing_lose_nothing() -> None:
    model = Encoder(8, 5, ModelConfig(half_rate=1, **SMALL))
    features, frames = torch.randn(1, 48, 8), torch.tensor([48])
    skipped = Regularizer(0.0, 1.0, np.random.default_rng(0))
    expected = torch.log_softmax(model.head(model.norm(model.frontend(features))), -1)
    torch.testing.assert_close(model(features, frames, skipped).log_probs, expected)


def test_half_a_rate_is_the_mean_of_two_real_frames() -> None:
    x = torch.tensor([[[1.0], [3.0], [5.0], [7.0], [9.0]]])
    real = torch.tensor([[True, True, True, False, False]])
    assert halve(x, real).flatten().tolist() == [2.0, 5.0, 0.0]


def test_intermediate_log_probabilities_are_those_of_the_same_head_and_come_in_training_only() -> None:
    model = Encoder(8, 5, ModelConfig(intermediate=(1,), **SMALL))
    features, frames = torch.randn(1, 48, 8), torch.tensor([48])
    heard = model(features, frames, Regularizer(0.0, 0.0, np.random.default_rng(0)))
    (early,) = heard.intermediate
    assert early.shape == heard.log_probs.shape
    model.blocks[1] = torch.nn.Identity()
    model.blocks[1].forward = lambda x, *_: (x, x)  # type: ignore[method-assign]
    torch.testing.assert_close(model(features, frames).log_probs, early)
    assert not model(features, frames).intermediate


def test_what_feed_forward_layers_make_is_kept_of_blocks_at_either_rate() -> None:
    model = Encoder(8, 5, ModelConfig(half_rate=1, layers=3, width=16, heads=2, feedforward=32))
    made: list[torch.Tensor] = []
    for block in model.blocks:
        block.outer.register_forward_hook(lambda *call: made.append(call[-1]))
    # 45 feature frames are 15 of the encoder, an odd number.
    heard = model(torch.randn(2, 45, 8), torch.tensor([45, 31]), depth=3)
    first, slow, last = heard.states
    assert made[1].shape[1] == 8
    for state, fed in ((first, made[0]), (slow, made[1].repeat_interleave(2, 1)[:, :15]), (last, made[2])):
        assert torch.equal(state, fed)
    assert len(model(torch.randn(1, 45, 8), torch.tensor([45]), depth=1).states) == 1


@pytest.mark.parametrize(("kernel", "stride", "frames"), [(7, 3, 100), (7, 3, 7), (1, 1, 5), (5, 4, 3), (3, 2, 1)])
def test_on_a_cpu_the_convolution_in_front_is_a_matrix_product_with_the_same_result_and_gradients(
    kernel: int, stride: int, frames: int
) -> None:
    torch.manual_seed(0)
    frontend = Frontend(5, ModelConfig(width=8, kernel=kernel, stride=stride))
    # Every second utterance of a larger tensor, from the second on: where windows lie follows the strides.
    features = torch.randn(6, frames, 5)[1::2]
    frontend(features).square().sum().backward()
    found = frontend(features).detach(), frontend.conv.weight.grad.clone(), frontend.conv.bias.grad.clone()
    frontend.zero_grad()
    expected = torch.nn.functional.glu(frontend.conv(features.transpose(1, 2)).transpose(1, 2), dim=-1)
    expected.square().sum().backward()
    for one, other in zip(found, (expected, frontend.conv.weight.grad, frontend.conv.bias.grad), strict=True):
        torch.testing.assert_close(one, other.detach())


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["rotary", "cape"])
def test_what_blocks_add_to_stays_in_fp32_under_autocast(
    norm: Literal["pre", "post"], positions: Literal["rotary", "cape"]
) -> None:
    model = Encoder(8, 5, ModelConfig(norm=norm, positions=positions, convolution=5, half_rate=1, **SMALL))
    kinds: set[torch.dtype] = set()
    products: set[torch.dtype] = set()
    for block in model.blocks:
        block.register_forward_hook(lambda _, given, made: kinds.update((given[0].dtype, made[0].dtype)))
        block.inner.register_forward_hook(lambda _, __, made: products.add(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(2, 48, 8), torch.tensor([48, 31]), Regularizer(0.1, 0.0, np.random.default_rng(0)))
    assert kinds == {torch.float32}
    assert products == {torch.bfloat16}
