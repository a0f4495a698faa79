"""The move of an average of weights: what every EMA here does once per optimizer step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def move_averages(averages: Sequence[Tensor], values: Sequence[Tensor], rate: float) -> None:
    """averages ← averages + rate · (values − averages), in place, all tensors at once; shards (DTensors) too.

    In this form a rate of 1e-5 still moves fp32 weights; ρ·average + (1 − ρ)·value loses it to rounding. A rate of 1
    copies exactly. Values of lower precision are brought to that of their average first: in bf16 no average moves.

    Args:
        averages: floating point, of the same shapes as `values` and on the same devices.
        values: floating point.
        rate: 1 − ρ^κ, or what `corrected_rate` makes of it.
    """
    if rate == 0 or not averages:
        return
    raised = [v if v.dtype == a.dtype else v.to(a.dtype) for a, v in zip(averages, values, strict=True)]
    torch._foreach_lerp_(list(averages), raised, rate)
