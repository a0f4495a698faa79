from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UserError
from asr.scaling.rules import (
    MuonValues,
    OptimizerValues,
    check_scale,
    ema_rate,
    half_life_hours,
    largest_linear_scale,
    momentum_of_epoch_weight,
    scale_adam,
    scale_adamw,
    scale_beta,
    scale_decay,
    scale_muon,
    scale_sgd,
)
from asr.scaling.width import width_decay, width_lr

ADAM = OptimizerValues(lr=1e-3, beta1=0.9, beta2=0.98, eps=1e-8, weight_decay=0.1)


@given(st.floats(1e-7, 0.5), st.floats(0.1, 64))
def test_the_teacher_s_rate_is_one_minus_rho_to_the_kappa_with_all_digits(rest: float, kappa: float) -> None:
    import decimal

    with decimal.localcontext(prec=60):
        exact = 1 - decimal.Decimal(1 - rest) ** decimal.Decimal(kappa)
    assert math.isclose(ema_rate(1 - rest, kappa), float(exact), rel_tol=1e-12)


@given(st.floats(0.0, 0.01), st.floats(0.5, 0.9999), st.sampled_from([1, 2, 3, 4, 8, 16]), st.floats(-2, 2))
def test_kappa_sgd_steps_at_a_fixed_gradient_are_one_scaled_step(
    lr: float, rho: float, kappa: int, gradient: float
) -> None:
    """[EMA, §2.2] for this program's order: the teacher averages the student after its step."""
    # (θ, ζ, g) after θ ← θ − ηg, ζ ← ρζ + (1 − ρ)θ.
    step = np.array([[1, 0, -lr], [1 - rho, rho, -lr * (1 - rho)], [0, 0, 1]])
    small = np.linalg.matrix_power(step, kappa) @ [1.0, -0.5, gradient]
    rate, scaled_lr = ema_rate(rho, kappa), scale_sgd(OptimizerValues(lr, 0.9, 0, 0, 0), kappa).lr
    theta = 1.0 - scaled_lr * gradient
    zeta = -0.5 + rate * (theta + 0.5)
    # The teacher saw κ students on their way, not the last one κ times.
    way = lr * sum(rho**j * (1 - rho) * j for j in range(kappa))
    assert math.isclose(small[0], theta, rel_tol=0, abs_tol=1e-12)
    assert math.isclose(small[1], zeta + way * gradient, rel_tol=0, abs_tol=1e-12)


def test_the_half_life_in_audio_does_not_depend_on_kappa() -> None:
    for kappa in (0.5, 4, 8):
        scaled = half_life_hours(1 - ema_rate(0.999, kappa), 60 * kappa)
        assert math.isclose(scaled, half_life_hours(0.999, 60), rel_tol=1e-9)
    assert math.isclose(half_life_hours(0.999, 60), 60 / 3600 * 692.8, rel_tol=1e-3)


def test_adam_follows_the_square_root() -> None:
    scaled = scale_adamw(ADAM, 4, "linear", "small-lr")
    assert math.isclose(scaled.lr, 2e-3)
    assert math.isclose(scaled.beta1, 0.6)
    assert math.isclose(scaled.beta2, 0.92)
    assert math.isclose(scaled.eps, 5e-9)
    assert math.isclose(scaled.weight_decay, 0.2)


@given(st.floats(0.0, 0.99999), st.floats(1e-4, 0.5), st.floats(0.0, 0.5))
def test_kappa_1_changes_no_bit(beta: float, lr: float, decay: float) -> None:
    base = OptimizerValues(lr, beta, 0.98, 1e-8, decay)
    for betas in ("linear", "power"):
        for rule in ("small-lr", "exact"):
            assert scale_adamw(base, 1, betas, rule) == base  # type: ignore[arg-type]
    assert scale_sgd(base, 1) == base
    assert ema_rate(beta, 1) == 1 - beta


def test_the_exact_decay_shrinks_a_weight_as_kappa_base_steps_do() -> None:
    lr, decay, kappa = 0.1, 0.5, 7
    scaled = scale_decay(decay, lr, kappa, "exact")
    assert math.isclose(1 - math.sqrt(kappa) * lr * scaled, (1 - lr * decay) ** kappa, rel_tol=1e-12)


def test_beyond_the_linear_limit_the_largest_kappa_and_the_power_form_are_named() -> None:
    assert abs(scale_beta(0.9, 10, "linear")) < 1e-15
    with pytest.raises(UserError, match=r"largest feasible κ is 10; .*beta_rule to power"):
        scale_adamw(ADAM, 10.5, "linear", "small-lr")
    assert math.isclose(scale_beta(0.9, 8, "power"), 0.9**8)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.98), (0.98, 0.9), (0.985, 0.99), (0.0, 0.993), (0.98, 0.999)])
def test_the_largest_feasible_kappa_is_feasible_and_little_more_is_not(beta1: float, beta2: float) -> None:
    base = OptimizerValues(1e-3, beta1, beta2, 1e-8, 0.0)
    largest = largest_linear_scale(base)
    scaled = scale_adamw(base, largest, "linear", "small-lr")
    assert min(b for b, was in ((scaled.beta1, beta1), (scaled.beta2, beta2)) if was) == pytest.approx(0, abs=2e-3)
    with pytest.raises(UserError, match=f"largest feasible κ is {largest:g};"):
        scale_adamw(base, largest * 1.001, "linear", "small-lr")


def test_decay_that_takes_all_of_a_weight_is_refused() -> None:
    with pytest.raises(UserError, match="takes all of a weight in one step"):
        scale_decay(20.0, 0.1, 4, "exact")


@pytest.mark.parametrize("kappa", [0, -1, math.inf, math.nan])
def test_a_kappa_that_is_no_scale_is_refused(kappa: float) -> None:
    with pytest.raises(UserError, match="must be a positive number"):
        check_scale(kappa)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ema_rate(1.5, 8), "momentum = 1.5: must be at least 0"),
        (lambda: ema_rate(-0.1, 8), "momentum = -0.1"),
        (lambda: half_life_hours(1.0, 60), "momentum = 1: must be at least 0 and less than 1"),
        (lambda: momentum_of_epoch_weight(0.5, 0, 60), "epoch_hours = 0: must be a number, more than 0"),
        (lambda: scale_adam(ADAM, 0, "power"), "batch scale κ = 0"),
        (lambda: scale_sgd(ADAM, -4), "batch scale κ = -4"),
        (lambda: scale_muon(MuonValues(0.1, 0.95), -2), "batch scale κ = -2"),
        (lambda: scale_adam(ADAM, 4, "pow"), "β rule 'pow': must be one of linear, power, keep"),  # type: ignore[arg-type]
        (lambda: scale_adam(ADAM, 4, "power", "sqrt"), "ε rule 'sqrt'"),  # type: ignore[arg-type]
        (lambda: scale_adamw(ADAM, 4, "power", "none"), "decay rule 'none': must be one of keep, small-lr, exact"),  # type: ignore[arg-type]
        (lambda: width_lr(0.1, "hiden", 4), "role 'hiden': must be one of"),  # type: ignore[arg-type]
        (lambda: width_decay(0.1, "vector", 0), "width ratio 0"),
    ],
)
def test_what_has_no_sense_is_refused_and_not_taken_for_something_else(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        call()
