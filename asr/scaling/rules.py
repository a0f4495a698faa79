"""Batch-size rules: values at the base batch and κ in, values at κ times the base batch out.

Sources: [EMA] Busbridge et al., "How to Scale Your EMA", NeurIPS 2023. [SDE] Malladi et al., "On the SDEs
and Scaling Rules for Adaptive Gradient Algorithms", NeurIPS 2022. [Linear] Goyal et al., "Accurate, Large
Minibatch SGD", 2017. [MPL] Higuchi et al., "Momentum Pseudo-Labeling", Interspeech 2021. [Muon] measured here,
docs/muon.md. No torch in here: these are functions of numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from asr.errors import UserError

BetaRule = Literal["linear", "power", "keep"]
"""linear, 1 − κ(1 − β): as in [SDE], assumes κ(1 − β) ≪ 1 and ends at κ = 1/(1 − β). power, β^κ: moments average over
the same audio at every κ; agrees with linear to first order and never ends. keep: moments average over the same number
of steps, right where they are shorter than anything that changes."""
EpsRule = Literal["root", "keep"]
"""root, ε/√κ: as in [SDE], assumes that noise dominates gradients, so that their root mean square falls by √κ. keep:
assumes that signal dominates, or that ε is small against the gradients at either κ."""
DecayRule = Literal["keep", "small-lr", "exact"]
"""Of decoupled decay. keep: λ stays, and over the same audio weights shrink √κ times less under the square-root rule.
small-lr, √κ·λ: over the same audio they shrink as much, to first order in ηλ. exact: by the same factor at any ηλ, as
[EMA, appendix] writes it; disputed, so never taken unasked."""


@dataclass(frozen=True)
class MuonValues:
    """What Muon is given for matrices, beside AdamW's values for everything else. `lr` is in AdamW's units."""

    lr: float
    momentum: float


@dataclass(frozen=True)
class OptimizerValues:
    """What an optimizer is given.

    `beta1` is SGD's momentum, `beta2` is RMSprop's smoothing constant; SGD has neither `beta2` nor `eps`, RMSprop
    no `beta1`. `muon` is there where Muon takes the matrices.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    muon: MuonValues | None = None


def _check_rule(name: str, rule: object, known: object) -> None:
    if rule not in get_args(known):
        raise UserError(f"{name} rule {rule!r}: must be one of {', '.join(get_args(known))}")


def _check_momentum(momentum: float) -> None:
    if not 0 <= momentum < 1:
        raise UserError(f"momentum = {momentum:g}: must be at least 0 and less than 1")


def _check_lengths(**lengths: float) -> None:
    for name, value in lengths.items():
        if not 0 < value < math.inf:
            raise UserError(f"{name} = {value:g}: must be a number, more than 0")


def check_scale(kappa: float) -> None:
    """Raises UserError unless κ is a positive finite number."""
    if not (math.isfinite(kappa) and kappa > 0):
        raise UserError(f"batch scale κ = {kappa:g}: must be a positive number, such as 4 or 0.5")


def ema_rate(momentum: float, kappa: float) -> float:
    """1 − ρ^κ: how far the teacher moves towards the student in one step of κ base batches [EMA, §2.2].

    Computed as −expm1(κ ln ρ), since 1 − ρ^κ itself loses half its digits where ρ is near 1. Exactly 1 − ρ at κ = 1.

    Raises:
        UserError: ρ is no momentum, or κ no scale.
    """
    _check_momentum(momentum)
    check_scale(kappa)
    if kappa == 1:
        return 1 - momentum
    return 1.0 if momentum == 0 else -math.expm1(kappa * math.log(momentum))


def corrected_rate(rate: float, weight: float) -> tuple[float, float]:
    """Start correction of an average: what to move it by instead of `rate`, and its weight afterwards.

    Averaging from zero and dividing by 1 − Π(1 − rateᵢ), as Adam corrects its moments, forgets what the average began
    with. In place it is the same to move by rate/weight, the weight being that of all values seen. The first move goes
    all the way; later ones tend to `rate`. Nothing is ever subtracted from 1, so no digit is lost.

    Args:
        rate: 1 − ρ^κ of this move.
        weight: what this function gave last; 0 before the first move.

    Examples:
        >>> corrected_rate(0.001, 0.0)
        (1.0, 0.001)
    """
    if rate == 0:
        return 0.0, weight
    weight += rate * (1 - weight)
    return rate / weight, weight


def half_life_hours(momentum: float, base_seconds: float) -> float:
    """Audio over which an old student's weight in the teacher halves, in hours. The same at every κ.

    Raises UserError where ρ is no momentum, or the batch has no length; so do the functions that follow.
    """
    _check_momentum(momentum)
    _check_lengths(base_seconds=base_seconds)
    return base_seconds / 3600 * math.log(2) / -math.log(momentum) if momentum > 0 else 0.0


def momentum_of_half_life(hours: float, base_seconds: float) -> float:
    """ρ per base step for a half-life of `hours` of audio. Inverse of `half_life_hours`."""
    _check_lengths(base_seconds=base_seconds)
    return math.exp(-math.log(2) * base_seconds / (3600 * hours)) if hours > 0 else 0.0


def momentum_of_epoch_weight(weight: float, epoch_hours: float, base_seconds: float) -> float:
    """ρ = w^(1/K), K being the base steps in `epoch_hours` of audio: w of the old teacher is left after them [MPL]."""
    _check_momentum(weight)
    _check_lengths(epoch_hours=epoch_hours, base_seconds=base_seconds)
    return math.pow(weight, base_seconds / (3600 * epoch_hours))


def epoch_weight(momentum: float, epoch_hours: float, base_seconds: float) -> float:
    """What is left of a teacher after `epoch_hours` of audio. Inverse of `momentum_of_epoch_weight`."""
    _check_momentum(momentum)
    _check_lengths(epoch_hours=epoch_hours, base_seconds=base_seconds)
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
    """A moment's decay at κ; see `BetaRule`. 0 stays 0.

    Under the linear rule κ must not be beyond `largest_linear_scale`. Raises UserError for another rule, or a κ that is
    no scale; so do the functions that follow.
    """
    check_scale(kappa)
    _check_rule("β", rule, BetaRule)
    if beta == 0 or kappa == 1 or rule == "keep":
        return beta
    # 1 − 10·(1 − 0.9) is −2e-16, and stands for 0.
    return math.pow(beta, kappa) if rule == "power" else max(1 - kappa * (1 - beta), 0.0)


def scale_decay(decay: float, lr: float, kappa: float, rule: DecayRule) -> float:
    """Decoupled weight decay λ at κ, where lr → √κ·lr; see `DecayRule`.

    The exact form is (1 − (1 − ηλ)^κ) / (√κ·η): κ base steps multiply a weight by (1 − ηλ)^κ, a scaled one by
    1 − √κ·η·λ̂. η is the learning rate of a base step at that time.

    Raises:
        UserError: ηλ is 1 or more, so that a base step would turn weights around.
    """
    check_scale(kappa)
    _check_rule("decay", rule, DecayRule)
    if kappa == 1 or decay == 0 or rule == "keep":
        return decay
    if rule == "small-lr" or lr == 0:
        return math.sqrt(kappa) * decay
    if lr * decay >= 1:
        raise UserError(
            f"optimizer.weight_decay = {decay:g} at a learning rate of {lr:g} takes all of a weight in one step; "
            "lower one of them"
        )
    return -math.expm1(kappa * math.log1p(-lr * decay)) / (math.sqrt(kappa) * lr)


def scale_adamw(
    base: OptimizerValues, kappa: float, betas: BetaRule, decay: DecayRule, eps: EpsRule = "root"
) -> OptimizerValues:
    """Adam's square-root rule [SDE]: `scale_adam`, and decoupled λ by `scale_decay`.

    Raises:
        UserError: κ is beyond what the linear β rule allows.
    """
    scaled = scale_adam(base, kappa, betas, eps)
    return replace(scaled, weight_decay=scale_decay(base.weight_decay, base.lr, kappa, decay))


def scale_adam(base: OptimizerValues, kappa: float, betas: BetaRule, eps: EpsRule = "root") -> OptimizerValues:
    """Adam's square-root rule [SDE], for Adam and, β₁ being 0, RMSprop: lr·√κ, both β and ε by their rules.

    L2 decay is part of the loss and stays. Gradients must not be clipped at a fixed norm: see `asr.scaling.clipping`.

    Raises:
        UserError: κ is beyond what the linear β rule allows.
    """
    check_scale(kappa)
    _check_rule("ε", eps, EpsRule)
    largest = largest_linear_scale(base)
    if betas == "linear" and kappa > largest * (1 + 1e-9):
        raise UserError(
            f"batch scale κ = {kappa:g}: the linear rule makes a β negative, those at κ = 1 being {base.beta1:g} and "
            f"{base.beta2:g}. The largest feasible κ is {largest:g}; use that, or set optimizer.beta_rule to power"
        )
    root = math.sqrt(kappa)
    return replace(
        base,
        lr=base.lr * root,
        beta1=scale_beta(base.beta1, kappa, betas),
        beta2=scale_beta(base.beta2, kappa, betas),
        eps=base.eps / root if eps == "root" else base.eps,
    )


def scale_muon(base: MuonValues, kappa: float) -> MuonValues:
    """Muon's linear rule [Muon]: lr·κ, momentum ρ^κ. Decoupled decay stays, as lr·λ then shrinks weights κ times more.

    An orthogonalised update is as long at every κ. With ρ^κ the momentum averages the same audio, so that the update
    has the same direction too; it has to go κ times as far. With momentum left as it is there is no one exponent.
    """
    check_scale(kappa)
    momentum = base.momentum if kappa == 1 else math.pow(base.momentum, kappa)
    return MuonValues(base.lr * kappa, momentum)


def scale_sgd(base: OptimizerValues, kappa: float) -> OptimizerValues:
    """SGD's linear rule [Linear]: lr·κ; momentum and L2 decay stay.

    Gradients must not be clipped at a fixed norm, which undoes the rule: see `asr.scaling.clipping`.
    """
    check_scale(kappa)
    return replace(base, lr=base.lr * kappa)
