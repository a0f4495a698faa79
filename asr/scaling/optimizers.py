"""The rules for anyone's optimizer of torch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer, RMSprop

from asr.errors import UserError
from asr.scaling.rules import (
    BetaRule,
    DecayRule,
    EpsRule,
    MuonValues,
    OptimizerValues,
    check_scale,
    scale_adam,
    scale_adamw,
    scale_decay,
    scale_muon,
    scale_sgd,
)

_SCALED = ("lr", "betas", "alpha", "eps", "momentum", "weight_decay")


def scale_optimizer(
    optimizer: Optimizer,
    kappa: float,
    *,
    betas: BetaRule = "power",
    eps: EpsRule = "root",
    decay: DecayRule = "keep",
    share: float | None = None,
) -> None:
    """Set each group's values to what they are at κ times the batch that they were tuned for.

    SGD: lr·κ. Adam, AdamW, RMSprop: lr·√κ, and `betas`, `eps` and, of AdamW, `decay` by their rules. Muon: lr·κ and
    momentum^κ. The values at κ = 1 are those at the first call; they stay in the groups, as `base`, and so in the
    optimizer's state dict: a later call starts from them again, and so does one after a resume.

    Where κ changes on the way Adam's count of steps follows, so that its correction of bias goes by data, as its
    moments do; not with `betas="keep"`, by which moments go by steps. Call it again after `load_state_dict`: what was
    loaded has the κ that it was saved with.

    Examples:
        >>> optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=1e-3, betas=(0.9, 0.98))
        >>> for kappa in (4, 4, 16):
        ...     scale_optimizer(optimizer, kappa)
        >>> optimizer.param_groups[0]["lr"]
        0.004

    Args:
        optimizer: of one of the classes above, or derived from one.
        kappa: the batch, in units of the one that the values were tuned for.
        betas: see `BetaRule`.
        eps: see `EpsRule`.
        decay: see `DecayRule`; exact at the learning rate that `share` makes.
        share: of the peak learning rate, where a schedule of your own sets it. Without, learning rates must be as the
            last call left them. A scheduler of torch is made after the first call, which cannot be followed by others.

    Raises:
        UserError: κ is no scale, or not feasible; the optimizer has no rule; something else changed a learning rate.
    """
    check_scale(kappa)
    if share is not None and not 0 <= share < math.inf:
        raise UserError(f"share = {share}: must be a number, at least 0")
    rule = _rule_of(optimizer)
    plans = [(group, _scaled(rule, group, kappa, (betas, eps, decay), share)) for group in optimizer.param_groups]
    # All of them could be scaled, or none is.
    for group, (base, values) in plans:
        # Steps that were made without any rule were made at κ = 1.
        before = group.get("kappa", 1.0)
        group.update(values, base=base, kappa=kappa, peak=values["lr"])
        group["lr"] *= 1.0 if share is None else share
        if betas != "keep":
            _recount(optimizer, group, before / kappa)


def _rule_of(optimizer: Optimizer) -> type[Optimizer]:
    # AdamW is an Adam, and so comes first.
    for known in (SGD, AdamW, Adam, RMSprop, Muon):
        if isinstance(optimizer, known):
            return known
    raise UserError(
        f"{type(optimizer).__name__}: no rule is known for it; there are some for SGD, Adam, AdamW, RMSprop and Muon"
    )


def _scaled(
    rule: type[Optimizer],
    group: dict[str, Any],
    kappa: float,
    forms: tuple[BetaRule, EpsRule, DecayRule],
    share: float | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A group's values at κ = 1, and at κ."""
    if "initial_lr" in group:
        raise UserError("a scheduler holds the learning rate: call scale_optimizer before you make it")
    if "peak" in group and share is None and group["lr"] != group["peak"]:
        raise UserError(
            f"a learning rate was {group['peak']:g} when κ was last set and is {group['lr']:g}: give share=, the "
            "schedule's share of the peak, instead of setting it"
        )
    base = group.get("base") or {name: group[name] for name in _SCALED if name in group}
    if any(isinstance(value, torch.Tensor) for value in (base["lr"], *base.get("betas", ()))):
        raise UserError("a learning rate or β is a tensor: give plain numbers")
    betas, eps, decay = forms
    lr, weight_decay = base["lr"], base["weight_decay"]
    if rule is SGD:
        scaled = scale_sgd(OptimizerValues(lr, base["momentum"], 0.0, 0.0, weight_decay), kappa)
        return base, {"lr": scaled.lr}
    if rule is Muon:
        muon = scale_muon(MuonValues(lr, base["momentum"]), kappa)
        return base, {"lr": muon.lr, "momentum": muon.momentum}
    if rule is RMSprop:
        scaled = scale_adam(OptimizerValues(lr, 0.0, base["alpha"], base["eps"], weight_decay), kappa, betas, eps)
        return base, {"lr": scaled.lr, "alpha": scaled.beta2, "eps": scaled.eps}
    beta1, beta2 = base["betas"]
    values = OptimizerValues(lr, beta1, beta2, base["eps"], weight_decay)
    if rule is AdamW or group.get("decoupled_weight_decay"):
        scaled = scale_adamw(values, kappa, betas, "keep", eps)
        now = lr if share is None else lr * share
        scaled = replace(scaled, weight_decay=scale_decay(weight_decay, now, kappa, decay))
    else:
        scaled = scale_adam(values, kappa, betas, eps)
    moments = (scaled.beta1, scaled.beta2)
    return base, {"lr": scaled.lr, "betas": moments, "eps": scaled.eps, "weight_decay": scaled.weight_decay}


def _recount(optimizer: Optimizer, group: dict[str, Any], factor: float) -> None:
    """Steps of the new κ that hold the data of those counted."""
    for parameter in group["params"]:
        step = optimizer.state.get(parameter, {}).get("step")
        if isinstance(step, torch.Tensor) and factor != 1:
            step *= factor
