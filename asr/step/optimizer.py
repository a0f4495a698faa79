"""The optimizer, and the values that the rules give it at each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from asr.config import OptimizerConfig
from asr.model.encoder import HEAD
from asr.scaling.rules import OptimizerValues
from asr.scaling.width import ROLES, Role, width_init, width_lr
from asr.step.muon import MuonWithAdamW

MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 1, "muon": 2}
"""Numbers that an optimizer keeps per parameter, at most."""


def role_of(name: str, parameter: Tensor) -> Role:
    """Of an encoder's parameter; see `Role`. A depthwise kernel sees one channel, however many there are."""
    if parameter.ndim <= 1:
        return "vector"
    if name.startswith("frontend.") or ".depthwise." in name:
        return "input"
    return "output" if name.startswith(HEAD) else "hidden"


@torch.no_grad()
def scale_initial(encoder: nn.Module, width_ratio: float) -> None:
    """Give an encoder that was drawn by chance the initial weights of one that is `width_ratio` times wider than that
    which settings were tuned on."""
    for name, parameter in encoder.named_parameters():
        parameter.mul_(width_init(role_of(name, parameter), width_ratio))


def make_optimizer(
    model: nn.Module,
    config: OptimizerConfig,
    values: OptimizerValues,
    fused: bool,
    precision: torch.dtype = torch.float32,
) -> torch.optim.Optimizer:
    """With a group for each role that the model has, and for the head's part of it: `set_values` treats them
    differently.

    Args:
        model: its parameters are in fp32.
        config: the settings.
        values: at the first step's κ.
        fused: one kernel for all of a group, where there is one.
        precision: that the model computes in. Muon's products are in bf16 unless it is fp32.
    """
    named = [(name.removeprefix("encoder."), p) for name, p in model.named_parameters()]
    kinds = [(role, head) for role in ROLES for head in (False, True)]
    # In the order in which an encoder has them, so that optimizer states saved when there were two groups fit.
    groups: list[dict[str, Any]] = [
        {
            "role": role,
            "head": head,
            "times": config.head_lr / config.lr if head and config.head_lr is not None else 1.0,
            "params": [p for name, p in named if role_of(name, p) == role and name.startswith(HEAD) == head],
        }
        for role, head in kinds
    ]
    groups = [group for group in groups if group["params"]]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=values.lr, momentum=values.beta1, fused=fused)
    if config.kind == "rmsprop":
        return torch.optim.RMSprop(groups, lr=values.lr, alpha=values.beta2, eps=values.eps, foreach=True)
    if values.muon is not None:
        products = torch.float32 if precision is torch.float32 else torch.bfloat16
        groups = [group | {"muon": group["role"] == "hidden"} for group in groups]
        return MuonWithAdamW(groups, values, values.muon, fused, products)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(groups, lr=values.lr, betas=(values.beta1, values.beta2), eps=values.eps, fused=fused)


def set_values(
    optimizer: torch.optim.Optimizer,
    values: OptimizerValues,
    share: float,
    width_ratio: float,
    decay: Mapping[Role, float],
) -> None:
    """Give the optimizer a step's values.

    Weight decay is for matrices alone: biases and norm gains have no scale to be held down.

    Args:
        optimizer: of `make_optimizer`.
        values: at the step's κ.
        share: of the peak learning rate, by the schedule.
        width_ratio: the model's width over that which the values were tuned at.
        decay: weight decay by role.
    """
    for group in optimizer.param_groups:
        group["lr"] = width_lr(values.lr, group["role"], width_ratio) * share * group["times"]
        group["weight_decay"] = decay[group["role"]]
        if values.muon is not None and group["muon"]:
            group["lr"], group["momentum"] = values.muon.lr * share, values.muon.momentum
            continue
        if "betas" in group:
            group["betas"] = (values.beta1, values.beta2)
        elif "alpha" in group:
            group["alpha"] = values.beta2
        if "eps" in group:
            group["eps"] = values.eps


@dataclass
class Taken:
    """Base steps that the optimizer has taken; not those whose gradients were not finite."""

    head: float = 0.0
    rest: float = 0.0
    """By all but the head, which may be frozen at first."""

    def add(self, base_steps: float, frozen: bool) -> None:
        self.head += base_steps
        self.rest += 0.0 if frozen else base_steps


def set_steps(optimizer: torch.optim.Optimizer, steps: float, thawed: float | None = None) -> None:
    """Let Adam's correction of its moments' bias take `steps` steps of the present κ for those before.

    A moment that decays by β^κ a step lacks β^τ of its weight after τ base steps, whatever κ was at each of them. Where
    all but the head was frozen at first, its moments have been gathered over `thawed` steps.
    """
    for group in optimizer.param_groups:
        counts = [optimizer.state[p]["step"] for p in group["params"] if "step" in optimizer.state.get(p, {})]
        if counts:
            torch._foreach_zero_(counts)
            torch._foreach_add_(counts, steps if group["head"] or thawed is None else thawed)
