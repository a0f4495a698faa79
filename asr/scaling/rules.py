"""Batch-size rules: values at the base batch and κ in, values at κ times the base batch out.

Sources: [EMA] Busbridge et al., "How to Scale Your EMA", NeurIPS 2023. [SDE] Malladi et al., "On the SDEs
and Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022. [Linear] Goyal et al., "Accurate, Large
Minibatch SGD", 2017. [MPL] Higuchi et al., "Momentum Pseudo-Labeling", Interspeech 2021. [Width] "Robust
Layerwise Scaling Rules by Proper Weight Decay Tuning", 2025. No torch in here: these are functions of numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from asr.errors import UserError

BetaRule = Literal["linear", "power"]
DecayRule = Literal["small-lr", "exact"]


@dataclass(frozen=True)
class OptimizerValues:
    """What an optimizer is given.

    `beta1` is SGD's momentum, `beta2` is RMSprop's smoothing constant; SGD has neither `beta2` nor `eps`, RMSprop
    no `beta1`.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float


def check_scale(kappa: float) -> None:
    """Raises UserError unless κ is a positive finite number."""
    if not (math.isfinite(kappa) and kappa > 0):
        raise UserError(f"batch scale κ = {kappa:g}: must be a positive number, such as 4 or 0.5")


def ema_rate(momentum: float, kappa: float) -> float:
    """1 − ρ^κ: how far the teacher moves towards the student in one step of κ base batches [EMA, §2.2].

    Computed as −expm1(κ ln ρ), since 1 − ρ^κ itself loses half its digits where ρ is near 1. Exactly 1 − ρ at κ = 1.
    """
    if kappa == 1:
        return 1 - momentum
    return 1.0 if momentum == 0 else -math.expm1(kappa * math.log(momentum))


def half_life_hours(momentum: float, base_seconds: float) -> float:
    """Audio over which an old student's weight in the teacher halves, in hours. The same at every κ."""
    return base_seconds / 3600 * math.log(2) / -math.log(momentum) if momentum > 0 else 0.0


def momentum_of_half_life(hours: float, base_seconds: float) -> float:
    """ρ per base step for a half-life of `hours` of audio. Inverse of `half_life_hours`."""
    return math.exp(-math.log(2) * base_seconds / (3600 * hours)) if hours > 0 else 0.0


def momentum_of_epoch_weight(weight: float, epoch_hours: float, base_seconds: float) -> float:
    """ρ = w^(1/K), K being the base steps in `epoch_hours` of audio: w of the old teacher is left after them [MPL]."""
    return math.pow(weight, base_seconds / (3600 * epoch_hours))


def epoch_weight(momentum: float, epoch_hours: float, base_seconds: float) -> float:
    """What is left of a teacher after `epoch_hours` of audio. Inverse of `momentum_of_epoch_weight`."""
    return math.pow(momentum, 3600 * epoch_hours / base_seconds)


def largest_linear_scale(values: OptimizerValues) -> float:
    """The κ at which the linear rule makes the first of the βs zero, rounded down to four digits; ∞ without any β."""
    largest = min((1 / (1 - beta) for beta in (values.beta1, values.beta2) if beta), default=math.inf)
    if math.isinf(largest):
        return largest
    digits = 10.0 ** (3 - math.floor(math.log10(largest)))
    # 1 / (1 − 0.98) is 49.99999999999996, and stands for 50.
    return math.floor(largest * digits + 1e-9) / digits


def scale_beta(beta: float, kappa: float, rule: BetaRule) -> float:
    """A moment's decay at κ: 1 − κ(1 − β) as in [SDE], or β^κ, which agrees to first order and never ends.

    0 stays 0. Under the linear rule κ must not be beyond `largest_linear_scale`.
    """
    if beta == 0 or kappa == 1:
        return beta
    # 1 − 10·(1 − 0.9) is −2e-16, and stands for 0.
    return math.pow(beta, kappa) if rule == "power" else max(1 - kappa * (1 - beta), 0.0)


def scale_decay(decay: float, lr: float, kappa: float, rule: DecayRule) -> float:
    """Decoupled weight decay λ for lr → √κ·lr, so that κ base steps shrink a weight as one scaled step does.

    small-lr: √κ·λ; exact: (1 − (1 − ηλ)^κ) / (√κ·η), where η is the learning rate of a base step at that time.

    Raises:
        UserError: ηλ is 1 or more, so that a base step would turn weights around.
    """
    if kappa == 1 or decay == 0:
        return decay
    if rule == "small-lr" or lr == 0:
        return math.sqrt(kappa) * decay
    if lr * decay >= 1:
        raise UserError(
            f"optimizer.weight_decay = {decay:g} at a learning rate of {lr:g} takes all of a weight in one step; "
            "lower one of them"
        )
    return -math.expm1(kappa * math.log1p(-lr * decay)) / (math.sqrt(kappa) * lr)


def scale_adamw(base: OptimizerValues, kappa: float, betas: BetaRule, decay: DecayRule) -> OptimizerValues:
    """Adam's square-root rule [SDE]: lr·√κ, ε/√κ, both β by `scale_beta`; decoupled λ by `scale_decay`.

    Raises:
        UserError: κ is beyond what the linear β rule allows.
    """
    scaled = scale_adam(base, kappa, betas)
    weight_decay = scale_decay(base.weight_decay, base.lr, kappa, decay)
    return OptimizerValues(scaled.lr, scaled.beta1, scaled.beta2, scaled.eps, weight_decay)


def scale_adam(base: OptimizerValues, kappa: float, betas: BetaRule) -> OptimizerValues:
    """Adam's square-root rule [SDE], for Adam and, β₁ being 0, RMSprop. L2 decay is part of the loss and stays.

    Raises:
        UserError: κ is beyond what the linear β rule allows.
    """
    largest = largest_linear_scale(base)
    if betas == "linear" and kappa > largest * (1 + 1e-9):
        raise UserError(
            f"batch scale κ = {kappa:g}: the linear rule makes a β negative, those at κ = 1 being {base.beta1:g} and "
            f"{base.beta2:g}. The largest feasible κ is {largest:g}; use that, or set optimizer.beta_rule to power"
        )
    root = math.sqrt(kappa)
    return OptimizerValues(
        lr=base.lr * root,
        beta1=scale_beta(base.beta1, kappa, betas),
        beta2=scale_beta(base.beta2, kappa, betas),
        eps=base.eps / root,
        weight_decay=base.weight_decay,
    )


def scale_sgd(base: OptimizerValues, kappa: float) -> OptimizerValues:
    """SGD's linear rule [Linear]: lr·κ; momentum and L2 decay stay."""
    return OptimizerValues(base.lr * kappa, base.beta1, base.beta2, base.eps, base.weight_decay)


def scale_width(values: OptimizerValues, ratio: float) -> OptimizerValues:
    """Of AdamW's matrices, from values tuned at a width `ratio` times smaller: lr ∝ 1/d, λ ∝ √d [Width].

    Not for vectors.
    """
    decay = values.weight_decay * math.sqrt(ratio)
    return OptimizerValues(values.lr / ratio, values.beta1, values.beta2, values.eps, decay)
