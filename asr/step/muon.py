"""Muon for matrices and AdamW for everything else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from asr.scaling.rules import MuonValues, OptimizerValues


class MuonWithAdamW(torch.optim.Optimizer):
    """Groups whose `muon` is true are Muon's, and hold matrices alone; the others are AdamW's.

    Muon's updates are given the root mean square of AdamW's ("Muon is Scalable for LLM Training", 2025, §2.2), so that
    one learning rate and one weight decay serve both at κ = 1. States and groups are those of this optimizer: they
    are saved and loaded as any other's.
    """

    def __init__(self, groups: list[dict[str, Any]], values: OptimizerValues, muon: MuonValues, fused: bool) -> None:
        """Raises ValueError where Muon is given what is no matrix."""
        matrices = [group | {"lr": muon.lr, "momentum": muon.momentum} for group in groups if group["muon"]]
        others = [group for group in groups if not group["muon"]]
        betas = (values.beta1, values.beta2)
        self._muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw")
        self._adamw = torch.optim.AdamW(others, lr=values.lr, betas=betas, eps=values.eps, fused=fused)
        made = iter(self._muon.param_groups), iter(self._adamw.param_groups)
        super().__init__([next(made[0] if group["muon"] else made[1]) for group in groups], {})

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for part, is_muon in ((self._muon, True), (self._adamw, False)):
            # Loading a state replaces both.
            part.state = self.state
            part.param_groups = [group for group in self.param_groups if group["muon"] == is_muon]
            part.step()  # type: ignore[no-untyped-call]
        return loss
