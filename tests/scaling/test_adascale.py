from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.scaling.adascale import Noise, Smoothed, estimate_noise

Floats = npt.NDArray[np.float64]


def estimate(gradients: Floats, seconds: Floats, base: float) -> Noise:
    """Of one step, whose groups' gradients per second are the rows of `gradients`."""
    mean = (gradients * seconds[:, None]).sum(0) / seconds.sum()
    weighted = float((seconds * np.square(gradients).sum(1)).sum())
    return estimate_noise(weighted, len(seconds), float(seconds.sum()), float(np.square(mean).sum()), base)


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6), st.integers(1, 64))
def test_a_gain_lies_between_1_and_the_number_of_base_batches(mean: float, variance: float, scale: int) -> None:
    assert 1 - 1e-12 <= Noise(variance, mean).gain(scale) <= scale * (1 + 1e-12)


def test_pure_noise_gains_all_and_no_noise_gains_nothing() -> None:
    assert math.isclose(Noise(1.0, 0.0).gain(8), 8)
    assert math.isclose(Noise(1e-6, 1e6).gain(8), 1, abs_tol=1e-9)


def test_equal_groups_of_a_base_batch_give_the_papers_formulas() -> None:
    rng = np.random.default_rng(0)
    scale, gradients = 5, rng.standard_normal((5, 30))
    noise = estimate(gradients, np.full(5, 60.0), 60.0)
    mean = float(np.square(gradients.mean(0)).sum())
    variance = float(np.square(gradients).sum()) / (scale - 1) - scale / (scale - 1) * mean
    assert math.isclose(noise.variance, variance)
    assert math.isclose(noise.mean, mean - variance / scale)


def test_both_estimates_are_unbiased_for_groups_of_unequal_length() -> None:
    """A group of n seconds has the expected gradient plus noise of variance v / n in each of d directions."""
    rng = np.random.default_rng(1)
    seconds = np.array([20.0, 35.0, 60.0, 80.0])
    expected = rng.standard_normal(10) * 0.5
    variance, base, rounds = 30.0, 60.0, 20_000
    found = [
        estimate(expected + rng.standard_normal((4, 10)) * np.sqrt(variance / seconds)[:, None], seconds, base)
        for _ in range(rounds)
    ]
    for values, truth in (
        ([n.variance for n in found], 10 * variance / base),
        ([n.mean for n in found], float(np.square(expected).sum())),
    ):
        error = float(np.std(values)) / math.sqrt(rounds)
        assert abs(float(np.mean(values)) - truth) < 4 * error
        # Close enough that a wrong weight would be seen: counting each group alike is off by far more.
        assert error < 0.03 * abs(truth)


def test_one_group_shows_no_noise() -> None:
    with pytest.raises(ValueError, match="at least two"):
        estimate_noise(1.0, 1, 60.0, 1.0, 60.0)


def test_estimates_are_clipped_and_averaged_and_later_smoothed() -> None:
    """§3.3 of the paper: the mean of all samples as long as these are fewer than 1/(1 − θ)."""
    smoothed = Smoothed()
    assert smoothed.gain(4) == 1
    smoothed.add(Noise(-1.0, 2.0), 4)
    assert (smoothed.variance, smoothed.mean) == (1e-6, 2.0)
    smoothed.add(Noise(1.0, -1.0), 4)
    assert math.isclose(smoothed.variance, (1e-6 + 1.0) / 2)
    assert math.isclose(smoothed.mean, 1.0)
    for _ in range(248):
        smoothed.add(Noise(1.0, 0.0), 4)
    assert math.isclose(smoothed.mean, 2.0 / 250)
    smoothed.add(Noise(1.0, 10.0), 4)
    assert math.isclose(smoothed.mean, 0.996 * 2.0 / 250 + 0.004 * 10.0)
    fast = Smoothed()
    for noise in (Noise(1.0, 5.0), Noise(3.0, 0.0)):
        fast.add(noise, 2000)
    assert (fast.variance, fast.mean) == (3.0, 0.0)
