from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asr.config import Config, ModelConfig
from asr.model.encoder import Encoder
from asr.scaling.plan import Plan
from asr.scaling.width import width_decay, width_init, width_lr
from asr.step.optimizer import make_optimizer, role_of, scale_initial, set_values

SMALL = ModelConfig(layers=1, width=32, heads=2, feedforward=64, convolution=3)


def test_only_where_the_fan_in_grows_with_the_width_does_a_wide_model_learn_slower() -> None:
    narrow, wide = (
        dict(Encoder(8, 5, dataclasses.replace(SMALL, width=w, feedforward=2 * w)).named_parameters()) for w in (32, 64)
    )
    slowed = set()
    for name, parameter in narrow.items():
        role = role_of(name, parameter)
        grows = parameter.ndim > 1 and wide[name][0].numel() > parameter[0].numel()
        assert (width_lr(1.0, role, 2.0) == 0.5) == grows, name
        assert width_decay(0.1, role, 2.0) == (0.1 * math.sqrt(2) if grows else 0.0 if parameter.ndim < 2 else 0.1)
        slowed |= {name} if grows else set()
    assert "frontend.conv.weight" not in slowed
    assert "blocks.0.convolution.depthwise.weight" not in slowed
    assert {"head.weight", "blocks.0.qkv.weight", "blocks.0.outer.weight"} <= slowed


def test_the_input_s_convolution_keeps_its_learning_rate_when_a_proxy_was_tuned() -> None:
    optimizer = dataclasses.replace(Config().optimizer, proxy_width=8, weight_decay=0.1)
    plan = Plan(Config(model=SMALL, optimizer=optimizer, batch_scale=4.0))
    made = make_optimizer(Encoder(8, 5, SMALL), optimizer, plan.values(4.0), fused=True)
    set_values(made, plan.values(4.0), 1.0, plan.width_ratio, plan.matrix_decay(4.0, 1.0))
    lr = {group["role"]: group["lr"] / (2 * optimizer.lr) for group in made.param_groups}
    assert lr == {"input": 1.0, "hidden": 0.25, "output": 0.25, "vector": 1.0}
    decay = {group["role"]: group["weight_decay"] for group in made.param_groups}
    assert decay == {"input": 0.1, "hidden": 0.2, "output": 0.2, "vector": 0.0}


def test_a_step_of_adam_changes_what_a_layer_puts_out_as_much_at_any_width() -> None:
    """What the rule is for: lr in the groups by role, over inputs of unit size."""
    torch.manual_seed(0)

    def change(width: int, role: str) -> float:
        layer = torch.nn.Linear(10 if role == "input" else width, 5 if role == "output" else width, bias=False)
        inputs = torch.randn(layer.in_features).sign()
        before = layer(inputs).detach()
        optimizer = torch.optim.Adam(layer.parameters(), lr=width_lr(1e-3, role, width / 64))  # type: ignore[arg-type]
        (layer(inputs) * torch.randn(layer.out_features).sign()).sum().backward()
        optimizer.step()
        return (layer(inputs) - before).abs().mean().item()

    for role in ("input", "hidden", "output"):
        assert 0.7 < change(1024, role) / change(64, role) < 1.4, role


@dataclass(frozen=True)
class Sizes:
    """Root mean squares after some steps: of attention's logits, and of changes since the start."""

    logits: float
    top: float
    written: float


def size(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def after_steps_of_adam(width: int, lr: float, proxy: int | None, attention: bool = True) -> Sizes:
    """An encoder of four heads, settings being tuned at `proxy`; None: all settings as they are, at any width."""
    torch.manual_seed(0)
    features, frames, texts = torch.randn(4, 48, 8), torch.full((4,), 48), torch.randint(0, 5, (64,))
    head_width = proxy // 4 if proxy and attention else None
    model = ModelConfig(layers=2, width=width, heads=4, feedforward=2 * width, proxy_head_width=head_width)
    config = Config(model=model, optimizer=dataclasses.replace(Config().optimizer, lr=lr, proxy_width=proxy))
    plan, encoder = Plan(config), Encoder(8, 5, model)
    scale_initial(encoder, plan.width_ratio)
    values = plan.values(1.0)
    optimizer = make_optimizer(encoder, config.optimizer, values, fused=True)
    set_values(optimizer, values, 1.0, plan.width_ratio, plan.matrix_decay(1.0, 1.0))
    block = encoder.blocks[1]
    logits: list[float] = []

    def listen(_: torch.nn.Module, __: object, products: Tensor) -> None:
        query, key, _value = products.detach().view(4, -1, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        scale = 1 / math.sqrt(width // 4) if block.scale is None else block.scale
        logits.append(size(query @ key.transpose(-1, -2) * scale))

    block.qkv.register_forward_hook(listen)
    tops: list[Tensor] = []
    block.register_forward_hook(lambda *call: tops.append(call[-1][0].detach()))
    writings = []
    for _ in range(7):
        heard = encoder(features, frames)
        writings.append(encoder.head(heard.top).detach())
        optimizer.zero_grad()
        F.nll_loss(heard.log_probs.flatten(0, 1), texts).backward()
        optimizer.step()
    return Sizes(logits[-1], size(tops[-1] - tops[0]), size(writings[-1] - writings[0]))


def test_activations_change_as_much_at_any_width_with_the_rule_and_more_at_a_large_one_without() -> None:
    """μP's coordinate check (Yang et al., 2022, appendix D.1)."""
    proxy = after_steps_of_adam(64, 3e-3, 64)
    assert proxy == after_steps_of_adam(64, 3e-3, None)
    for width in (128, 256, 512):
        found = after_steps_of_adam(width, 3e-3, 64)
        assert 0.8 < found.top / proxy.top < 1.25, width
        assert 0.8 < found.written / proxy.written < 1.25, width
        assert 0.3 < found.logits / proxy.logits < 1.0, width
    assert after_steps_of_adam(512, 3e-3, None).top > 10 * proxy.top


def test_logits_of_attention_grow_with_the_width_of_heads_unless_they_are_scaled_by_it() -> None:
    proxy = after_steps_of_adam(64, 1e-2, 64)
    assert after_steps_of_adam(512, 1e-2, 64, attention=False).logits > 1.6 * proxy.logits
    assert 0.6 < after_steps_of_adam(512, 1e-2, 64).logits / proxy.logits < 1.1


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_only_the_head_begins_smaller_in_a_wide_model(ratio: float) -> None:
    encoder = Encoder(8, 5, SMALL)
    before = {name: parameter.detach().clone() for name, parameter in encoder.named_parameters()}
    scale_initial(encoder, ratio)
    for name, parameter in encoder.named_parameters():
        times = 1 / math.sqrt(ratio) if name == "head.weight" else 1.0
        assert torch.equal(parameter, before[name] * times), name
    assert width_init("hidden", ratio) == 1.0
