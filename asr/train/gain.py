"""Measures the noise of gradients while they are accumulated, for AdaScale's gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asr.config import Config
from asr.errors import UserError
from asr.scaling.adascale import Smoothed, estimate_noise
from asr.train.feeder import Work
from asr.train.ranks import Ranks

SAMPLE_RATE = 16_000


def group_work(work: Sequence[Work]) -> list[list[Work]]:
    """Labeled and unlabeled micro-batches in pairs, so that groups differ by chance alone. Without any: one each."""
    labeled = [w for w in work if w.labeled]
    unlabeled = [w for w in work if not w.labeled]
    return [list(pair) for pair in zip(labeled, unlabeled, strict=True)] if unlabeled else [[w] for w in labeled]


def audio_seconds(group: Sequence[Work]) -> float:
    return sum(len(samples) for work in group for samples in work.samples) / SAMPLE_RATE


class GainMeter:
    """The gain of coming steps, from those before.

    Under Adam and RMSprop norms are taken of gradients as the optimizer divides them in the same step, and the rules'
    square roots make of the gain r a learning rate of √r times the base. Were they divided by the second moment of the
    steps before alone, a parameter that had no gradient until now would outweigh all others by ε⁻².
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

    def begin(self) -> None:
        """Before the first group of a step."""
        self._before: list[Tensor] | None = None
        self._squares = [torch.zeros_like(p) for p in self._parameters]

    @torch.no_grad()
    def add_group(self, seconds: float) -> None:
        """After a group's backward pass, its gradient having been added to those of the groups before."""
        gradients = self.gradients()
        own = gradients if self._before is None else torch._foreach_sub(gradients, self._before)
        self._before = [g.clone() for g in gradients]
        if seconds > 0:
            torch._foreach_addcmul_(self._squares, list(own), list(own), value=1 / seconds)

    @torch.no_grad()
    def finish(self, scale: float, seconds: float, base_steps: float, gain: float) -> None:
        """After the last group: sum up gradients over ranks, and take up what they show of their noise.

        Args:
            scale: κ.
            seconds: audio of the global batch, in units of which gradients are.
            base_steps: τ, that the steps before were worth.
            gain: r, that this one is worth.
        """
        gradients = self.gradients()
        self._ranks.sum_tensors(gradients)
        own, whole = (torch.zeros((), dtype=torch.float64, device=self._ranks.device) for _ in range(2))
        for parameter, gradient, squares in zip(self._parameters, gradients, self._squares, strict=True):
            square = gradient.square()
            if self._adaptive:
                weight = self._weight(parameter, square, base_steps, gain)
                square, squares = square * weight, squares * weight
            own += squares.sum()
            whole += square.sum()
        (weighted,) = self._ranks.sum([seconds**2 * float(own)])
        noise = estimate_noise(weighted, self._groups, seconds, float(whole), self._config.batch.base_seconds)
        if abs(noise.variance) + abs(noise.mean) < float("inf"):
            self.smoothed.add(noise, scale)

    def _weight(self, parameter: nn.Parameter, square: Tensor, base_steps: float, gain: float) -> Tensor:
        """1 / (√v̂ + ε)², v̂ being the second moment that the coming step will divide by.

        A step of gain r smooths with β₂^r, so that v lacks β₂^τ of its weight after steps worth τ.
        """
        optimizer = self._config.optimizer
        state: dict[str, Any] = self._optimizer.state.get(parameter, {})
        before = state.get("exp_avg_sq", state.get("square_avg"))
        keep = optimizer.beta2**gain
        moment = (1 - keep) * square if before is None else torch.lerp(square, before, keep)
        # RMSprop starts from 0 and leaves it at that.
        weight_so_far = 1.0 if optimizer.kind == "rmsprop" else 1 - optimizer.beta2 ** (base_steps + gain)
        divisor: Tensor = (moment / weight_so_far).sqrt() + optimizer.eps
        return divisor.square().reciprocal()
