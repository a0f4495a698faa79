"""The optimizer, and the values that the rules give it at each step."""

from __future__ import annotations

import torch
from torch import nn

from asr.config import OptimizerConfig
from asr.scaling.rules import OptimizerValues, scale_width

MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 1}
"""Numbers that an optimizer keeps per parameter."""


def make_optimizer(
    model: nn.Module, config: OptimizerConfig, values: OptimizerValues, fused: bool
) -> torch.optim.Optimizer:
    """In two groups, matrices and vectors: `set_values` treats them differently."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1]},
    ]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=values.lr, momentum=values.beta1, fused=fused)
    if config.kind == "rmsprop":
        return torch.optim.RMSprop(groups, lr=values.lr, alpha=values.beta2, eps=values.eps, foreach=True)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(groups, lr=values.lr, betas=(values.beta1, values.beta2), eps=values.eps, fused=fused)


def set_values(
    optimizer: torch.optim.Optimizer, values: OptimizerValues, share: float, width_ratio: float, matrix_decay: float
) -> None:
    """Give the optimizer a step's values.

    Weight decay is for matrices alone: biases and norm gains have no scale to be held down.

    Args:
        optimizer: of `make_optimizer`.
        values: at the step's κ.
        share: of the peak learning rate, by the schedule.
        width_ratio: the model's width over that which the values were tuned at.
        matrix_decay: weight decay of matrices.
    """
    matrices, vectors = optimizer.param_groups
    matrices["lr"], vectors["lr"] = scale_width(values, width_ratio).lr * share, values.lr * share
    matrices["weight_decay"], vectors["weight_decay"] = matrix_decay, 0.0
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (values.beta1, values.beta2)
        elif "alpha" in group:
            group["alpha"] = values.beta2
        if "eps" in group:
            group["eps"] = values.eps


def set_steps(optimizer: torch.optim.Optimizer, steps: float) -> None:
    """Let Adam's correction of its moments' bias take `steps` steps of the present κ for those before.

    A moment that decays by β^κ a step lacks β^τ of its weight after τ base steps, whatever κ was at each of them.
    """
    counts = [state["step"] for state in optimizer.state.values() if "step" in state]
    if counts:
        torch._foreach_zero_(counts)
        torch._foreach_add_(counts, steps)
