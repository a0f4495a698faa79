from __future__ import annotations

import dataclasses
import math

import torch

from asr.config import Config, ModelConfig
from asr.model.encoder import Encoder
from asr.scaling.plan import Plan
from asr.scaling.width import width_decay, width_lr
from asr.train.optimizer import make_optimizer, role_of, set_values

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
    made = make_optimizer(Encoder(8, 5, SMALL), optimizer, plan.values(4.0).optimizer, fused=True)
    set_values(made, plan.values(4.0).optimizer, 1.0, plan.width_ratio, plan.matrix_decay(4.0, 1.0))
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
