from __future__ import annotations

import math

import numpy as np
import pytest

from asr.errors import UserError
from asr.scaling.clipping import RunningClip


def progress(kappa: int, clip: RunningClip | None, bound: float = math.inf, base_steps: int = 4096) -> float:
    """How far SGD goes along a constant gradient over the same data: lr·κ, noise of 1,000 directions on top."""
    rng = np.random.default_rng(kappa)
    signal, way = 0.2, 0.0
    for _ in range(base_steps // kappa):
        noise = rng.standard_normal(1000) / math.sqrt(kappa)
        noise[0] += signal
        norm = float(np.linalg.norm(noise))
        limit = bound if clip is None else clip.bound
        way += kappa * noise[0] * min(1.0, limit / norm)
        if clip is not None:
            clip.add(norm, kappa)
    return way / (signal * base_steps)


def test_a_fixed_bound_breaks_sgd_s_rule_and_a_running_one_keeps_it() -> None:
    free, running = progress(8, None), progress(8, RunningClip(ratio=1.5))
    assert running == pytest.approx(free, rel=1e-6)
    assert free == pytest.approx(progress(1, None), rel=0.2)
    fixed = progress(8, None, bound=1.0) / progress(1, None, bound=1.0)
    # √8 is what the rule says of noise alone.
    assert 2.3 < fixed < 3.2


def test_gradients_of_another_scale_are_clipped_alike() -> None:
    rng = np.random.default_rng(0)
    norms = np.exp(rng.standard_normal(200))
    shares = []
    for scale in (1.0, 1e-4, 1e4):
        clip, factors = RunningClip(ratio=1.2), []
        for norm in norms * scale:
            factors.append(min(1.0, clip.bound / norm))
            clip.add(norm)
        shares.append((clip.share(), factors))
    assert 0.1 < shares[0][0] < 0.9
    for share, factors in shares[1:]:
        assert share == shares[0][0]
        assert factors == pytest.approx(shares[0][1])


@pytest.mark.parametrize("kappa", [1.0, 4.0, 8.0])
def test_an_old_norm_is_half_forgotten_after_the_same_data_at_every_kappa(kappa: float) -> None:
    clip = RunningClip(half_life=64.0, average=1.0, weight=1.0)
    for _ in range(round(64 / kappa)):
        clip.add(0.0, kappa)
    assert clip.average == pytest.approx(0.5)


def test_the_first_step_sets_the_bound_and_one_wild_step_moves_it_little() -> None:
    clip = RunningClip(ratio=2.0, half_life=32.0)
    clip.add(5.0)
    assert clip.bound == 10.0
    for _ in range(100):
        clip.add(5.0)
    clip.add(1e9)
    assert 10.0 < clip.bound < 10.5
    clip.add(math.nan)
    clip.add(math.inf)
    assert clip.bound < 10.5
    assert clip.share() == pytest.approx(1 / 102)
    assert clip.share() == 0.0


def test_a_lasting_change_is_followed() -> None:
    clip = RunningClip(ratio=2.0, half_life=8.0)
    clip.add(1.0)
    for _ in range(100):
        clip.add(50.0)
    assert clip.bound == pytest.approx(100.0, rel=1e-2)


def test_a_gradient_of_zero_bounds_nothing() -> None:
    clip = RunningClip()
    clip.add(0.0)
    assert clip.bound == math.inf
    clip.add(5.0)
    assert 0 < clip.bound < math.inf
    for _ in range(2000):
        clip.add(5.0)
    assert clip.bound == pytest.approx(10.0)


@pytest.mark.parametrize("given", [{"ratio": 1.0}, {"ratio": 0.5}, {"ratio": math.inf}, {"half_life": 0.0}])
def test_a_bound_that_could_never_rise_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UserError, match="must be"):
        RunningClip(**given)


@pytest.mark.parametrize("kappa", [0.0, -1.0, math.nan, math.inf])
def test_a_step_of_no_size_is_refused(kappa: float) -> None:
    clip = RunningClip(ratio=1.5)
    with pytest.raises(UserError, match="batch scale κ"):
        clip.add(3.0, kappa)
    assert (clip.steps, clip.weight) == (0.0, 0.0)
