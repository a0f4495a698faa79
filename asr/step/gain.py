"""Measures the noise of gradients while they are accumulated, for AdaScale's gain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asr.config import Config, OptimizerConfig
from asr.data.audio import SAMPLE_RATE
from asr.errors import UserError
from asr.scaling.adascale import Smoothed, estimate_noise
from asr.step.feeder import Work
from asr.step.ranks import Ranks

COPIES_OF_METER = 2
"""Of the gradient, that measuring its noise needs."""
LEAST_SHARE = 0.03
"""Of the root mean square of all gradients, by which that of a parameter is at least divided."""


def group_work(work: Sequence[Work]) -> list[list[Work]]:
    """Labeled and unlabeled micro-batches in pairs, so that groups differ by chance alone; where there are none, one
    each. Parts of a micro-batch stay together."""
    labeled, unlabeled = (
        [list(parts) for _, parts in itertools.groupby((w for w in work if w.labeled == kind), key=lambda w: w.index)]
        for kind in (True, False)
    )
    if not labeled or not unlabeled:
        return labeled or unlabeled
    return [first + second for first, second in zip(labeled, unlabeled, strict=True)]


def audio_seconds(group: Sequence[Work]) -> float:
    return sum(len(samples) for work in group for samples in work.samples) / SAMPLE_RATE


def _preconditioners(
    parameters: Sequence[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    base: OptimizerConfig,
    base_steps: float | None,
) -> list[Tensor] | None:
    """1 / (√v̂ + ε) of each parameter, from the steps before; None until v̂ averages over some 1 / (1 − β₂) of them.

    A step of gain r smooths with β₂^r, so after all of them v lacks β₂^τ of its weight, τ being their sum; where β
    follows no κ (`base_steps` of None), with β₂, and τ is their number.
    """
    states: list[dict[str, Any]] = [optimizer.state.get(parameter, {}) for parameter in parameters]
    if base_steps is None:
        base_steps = max((float(state["step"]) for state in states if "step" in state), default=0.0)
    if base_steps * (1 - base.beta2) < 1 - 1e-9:
        return None
    found = [state.get("exp_avg_sq", state.get("square_avg")) for state in states]
    moments = [torch.zeros_like(p) if m is None else m for p, m in zip(parameters, found, strict=True)]
    missing = -math.expm1(base_steps * math.log(base.beta2)) if base.beta2 else 1.0
    mean = torch.stack([m.sum() for m in moments]).sum() / sum(m.numel() for m in moments)
    # A parameter that has hardly had a gradient yet would outweigh all others by ε⁻² once it has one.
    least = base.eps + LEAST_SHARE * (mean / missing).sqrt()
    return [1 / ((moment / missing).sqrt() + least) for moment in moments]


def _squared_norm(tensors: Sequence[Tensor], scales: Sequence[Tensor] | None) -> Tensor:
    scaled = tensors if scales is None else torch._foreach_mul(list(tensors), list(scales))
    norms = torch._foreach_norm(list(scaled))
    return torch.stack(norms).double().square().sum()


class GainMeter:
    """The gain of coming steps, from those before.

    Under Adam and RMSprop norms are taken of gradients as the optimizer divides them, and the rules' square roots
    make of the gain r a learning rate of √r times the base.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, config: Config, groups: int, ranks: Ranks
    ) -> None:
        """`groups`, at least two, is the number of groups in a step over all ranks.

        Raises:
            UserError: the ranks cannot share the groups out evenly.
        """
        if groups % ranks.world_size:
            raise UserError(
                f"scaling.adascale: a step's {groups} micro-batches cannot be shared out evenly to {ranks.world_size} "
                "devices; change their number or the batch scale"
            )
        self.smoothed = Smoothed()
        self._parameters = list(model.parameters())
        self._adaptive = config.optimizer.kind != "sgd"
        self._optimizer, self._config, self._groups, self._ranks = optimizer, config, groups, ranks

    def gain(self, scale: float) -> float:
        """Base steps that the coming step is worth."""
        return self.smoothed.gain(scale)

    def gradients(self) -> list[Tensor]:
        """Of every parameter; zeros where a block was skipped."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self._parameters if p.grad is not None]

    def begin(self, base_steps: float) -> None:
        """Before the first group of a step that begins after the optimizer took `base_steps` base steps."""
        self._before: list[Tensor] | None = None
        self._weighted = torch.zeros((), dtype=torch.float64, device=self._ranks.device)
        self._scales = None
        if self._adaptive:
            values = self._config.optimizer
            follows = self._config.scaling.optimizer and values.beta_rule != "keep"
            steps = base_steps if follows else None
            self._scales = _preconditioners(self._parameters, self._optimizer, values, steps)

    @torch.no_grad()
    def add_group(self, seconds: float) -> None:
        """After a group's backward pass, its gradient having been added to those of the groups before."""
        gradients = self.gradients()
        own = gradients if self._before is None else torch._foreach_sub(gradients, self._before)
        self._before = [g.clone() for g in gradients]
        if seconds > 0:
            self._weighted += _squared_norm(own, self._scales) / seconds

    @torch.no_grad()
    def finish(self, scale: float, seconds: float) -> None:
        """After the last group: sum up gradients over ranks, and take up what they show of their noise.

        Args:
            scale: κ.
            seconds: audio of the global batch, in units of which gradients are.
        """
        gradients = self.gradients()
        self._ranks.sum_tensors(gradients)
        if self._adaptive and self._scales is None:
            return
        norm = float(_squared_norm(gradients, self._scales))
        (weighted,) = self._ranks.sum([seconds**2 * float(self._weighted)])
        noise = estimate_noise(weighted, self._groups, seconds, norm, self._config.batch.base_seconds)
        if abs(noise.variance) + abs(noise.mean) < float("inf"):
            self.smoothed.add(noise, scale)
