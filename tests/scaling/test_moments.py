"""Weak match: under the square-root rule the distribution of parameters at equal audio is that of the base run."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from asr.scaling.rules import OptimizerValues, scale_adam

KAPPA, BASE_STEPS, RUNS = 16, 3200, 8000
BASES = {
    "adam": OptimizerValues(lr=2e-3, beta1=0.99, beta2=0.998, eps=1e-8, weight_decay=0.0),
    "rmsprop": OptimizerValues(lr=2e-3, beta1=0.0, beta2=0.998, eps=1e-8, weight_decay=0.0),
}
Rule = Literal["square root", "linear lr", "none"]


def values(base: OptimizerValues, kappa: int, rule: Rule) -> OptimizerValues:
    if rule == "square root":
        return scale_adam(base, kappa, "linear")
    lr = base.lr * kappa if rule == "linear lr" else base.lr
    return OptimizerValues(lr, base.beta1, base.beta2, base.eps, 0.0)


def moments(base: OptimizerValues, kappa: int, rule: Rule) -> tuple[float, float]:
    """First and second moment of θ after `BASE_STEPS` base steps on θ²/2, noise dominating the gradient."""
    v = values(base, kappa, rule)
    rng = np.random.default_rng(kappa)
    theta = np.ones(RUNS)
    # Begin where the moments stand after a long time at the start: their start-up is no part of the rule.
    first, second = np.ones(RUNS), np.full(RUNS, 100.0 / kappa + 1.0)
    for _ in range(BASE_STEPS // kappa):
        gradient = theta + rng.standard_normal(RUNS) * np.sqrt(100.0 / kappa)
        first = v.beta1 * first + (1 - v.beta1) * gradient
        second = v.beta2 * second + (1 - v.beta2) * gradient**2
        theta = theta - v.lr * first / (np.sqrt(second) + v.eps)
    return float(theta.mean()), float((theta**2).mean())


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_the_square_root_rule_keeps_first_and_second_moments_and_others_do_not(kind: str) -> None:
    base = moments(BASES[kind], 1, "square root")
    gaps = {
        rule: max(abs(a - b) for a, b in zip(base, moments(BASES[kind], KAPPA, rule), strict=True))
        for rule in ("square root", "linear lr", "none")
    }
    assert gaps["square root"] < 0.03
    assert gaps["linear lr"] > 5 * gaps["square root"]
    assert gaps["none"] > 5 * gaps["square root"]
