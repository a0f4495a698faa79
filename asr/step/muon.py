"""Muon for matrices and AdamW for everything else, as one optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from asr.scaling.rules import MuonValues, OptimizerValues
from asr.step.sharding import cut_like, joined

COEFFICIENTS = 3.4445, -4.775, 2.0315
"""Of the Newton-Schulz iteration's polynomial (Jordan et al., "Muon", 2024), as torch.optim.Muon has them."""
ROUNDS = 5
AT_ONCE = 1 << 24
"""Numbers of matrices of one shape that are orthogonalised together: small ones fill a device only in numbers, large
ones fill its memory."""


def orthogonalise(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors and singular values near 1, in the type that they come in.

    Args:
        matrices: `(…, rows, columns)`.
    """
    a, b, c = COEFFICIENTS
    # Products of the shorter side's size are the smaller ones.
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.reshape(-1, *matrices.shape[-2:])
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        # Each sum rounded once, where they are in bf16.
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).reshape(matrices.shape)


class MuonWithAdamW(torch.optim.Optimizer):
    """Groups whose `muon` is true are Muon's, and hold matrices alone; the others are AdamW's.

    Muon is that of `torch.optim.Muon` with Nesterov's momentum, and its updates are given the root mean square of
    AdamW's ("Muon is Scalable for LLM Training", 2025, §2.2), so that one learning rate and one weight decay serve both
    at κ = 1. It is written anew for speed: PyTorch's takes one matrix after the other, and in bf16 on any device, for
    which a CPU that has AVX2 alone takes 17 times as long as for fp32. States and groups are those of this optimizer:
    they are saved and loaded as any other's.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        values: OptimizerValues,
        muon: MuonValues,
        fused: bool,
        precision: torch.dtype,
    ) -> None:
        """Raises ValueError where Muon is given what is no matrix.

        Args:
            groups: of parameters.
            values: AdamW's.
            muon: Muon's.
            fused: of AdamW.
            precision: that matrices are orthogonalised in, fp32 or bf16.
        """
        others = [group for group in groups if not group["muon"]]
        self._precision = precision
        self._adamw = torch.optim.AdamW(
            others, lr=values.lr, betas=(values.beta1, values.beta2), eps=values.eps, fused=fused
        )
        made = iter(self._adamw.param_groups)
        own = {"lr": muon.lr, "momentum": muon.momentum, "weight_decay": 0.0}
        super().__init__([group | own if group["muon"] else next(made) for group in groups], {})
        if any(parameter.ndim != 2 for group in self._groups(True) for parameter in group["params"]):
            raise ValueError("Muon is for matrices alone")

    def _groups(self, muon: bool) -> list[dict[str, Any]]:
        return [group for group in self.param_groups if group["muon"] == muon]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for group in self._groups(True):
            self._step_matrices(group)
        # Loading a state replaces both.
        self._adamw.state, self._adamw.param_groups = self.state, self._groups(False)
        self._adamw.step()
        return loss

    @torch.no_grad()
    def _step_matrices(self, group: dict[str, Any]) -> None:
        matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
        if not matrices:
            return
        gradients = [cast(Tensor, matrix.grad) for matrix in matrices]
        for matrix in matrices:
            if "momentum_buffer" not in self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        means = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, means, group["momentum"])
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        by_shape: dict[torch.Size, list[int]] = {}
        for index, matrix in enumerate(matrices):
            by_shape.setdefault(matrix.shape, []).append(index)
        for shape, indices in by_shape.items():
            count = max(1, AT_ONCE // shape.numel())
            rate = group["lr"] * 0.2 * math.sqrt(max(shape))
            for first in range(0, len(indices), count):
                some = indices[first : first + count]
                self._move([matrices[index] for index in some], [ahead[index] for index in some], rate)

    def _move(self, matrices: Sequence[Tensor], updates: Sequence[Tensor], rate: float) -> None:
        """Along updates, all of one shape, once they are orthogonalised: by every rank, where they are sharded."""
        turned = orthogonalise(torch.stack([joined(update).to(self._precision) for update in updates]))
        for matrix, update in zip(matrices, turned.to(matrices[0].dtype), strict=True):
            matrix.sub_(cut_like(update, matrix), alpha=rate)
