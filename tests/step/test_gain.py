"""AdaScale's gain from a step's gradients, against the paper's formulas written out in numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import torch

from asr.config import Config
from asr.step.gain import GainMeter
from asr.step.ranks import Ranks

BASE_SECONDS = 20.0
Floats = npt.NDArray[np.float64]


def metered(kind: str) -> tuple[torch.nn.Parameter, torch.optim.Optimizer, GainMeter]:
    base = Config()
    config = dataclasses.replace(
        base,
        optimizer=dataclasses.replace(base.optimizer, kind=kind, beta2=0.9, eps=0.01),
        batch=dataclasses.replace(base.batch, base_seconds=BASE_SECONDS),
    )
    weight = torch.nn.Parameter(torch.zeros(6))
    model = torch.nn.Module()
    model.weight = weight
    optimizer: torch.optim.Optimizer = torch.optim.SGD([weight], lr=0.1)
    if kind == "adam":
        optimizer = torch.optim.Adam([weight], lr=0.1, betas=(0.9, 0.9), eps=0.01)
    return weight, optimizer, GainMeter(model, optimizer, config, 4, Ranks(0, 1, torch.device("cpu")))


def measure(
    weight: torch.nn.Parameter, meter: GainMeter, gradients: Floats, seconds: Floats, base_steps: float
) -> None:
    """As a step does: the loss is per second of the whole batch, and gradients of groups are added up."""
    weight.grad = torch.zeros(6)
    meter.begin(base_steps)
    for gradient, own in zip(gradients, seconds, strict=True):
        weight.grad += torch.from_numpy(gradient * own / seconds.sum()).float()
        meter.add_group(own)
    meter.finish(4.0, seconds.sum())


def by_the_paper(gradients: Floats, scale: Floats) -> tuple[float, float]:
    """σ̂² and μ̂² of S base batches [AdaScale, §3.3]."""
    scaled, count = gradients * scale, len(gradients)
    mean = np.square(scaled.mean(0)).sum()
    variance = (np.square(scaled).sum() - count * mean) / (count - 1)
    return float(variance), float(mean - variance / count)


def test_of_equal_groups_the_estimates_are_the_paper_s() -> None:
    gradients = np.random.default_rng(0).standard_normal((4, 6)) + 1.0
    weight, _, meter = metered("sgd")
    measure(weight, meter, gradients, np.full(4, BASE_SECONDS), 0.0)
    variance, mean = by_the_paper(gradients, np.ones(6))
    assert (meter.smoothed.variance, meter.smoothed.mean) == pytest.approx((variance, mean), rel=1e-5)
    assert meter.gain(4.0) == pytest.approx((variance + mean) / (variance / 4 + mean), rel=1e-5)
    assert 1 < meter.gain(4.0) < 4


def test_groups_weigh_by_their_audio() -> None:
    rng = np.random.default_rng(1)
    gradients, seconds = rng.standard_normal((4, 6)) + 1.0, np.array([5.0, 20.0, 30.0, 25.0])
    weight, _, meter = metered("sgd")
    measure(weight, meter, gradients, seconds, 0.0)
    mean_gradient = seconds @ gradients / seconds.sum()
    # The weighted sample variance: Σ n‖g − ḡ‖² / (groups − 1), per second of audio; a base batch has 1/20 of it.
    per_second = float(seconds @ np.square(gradients - mean_gradient).sum(1)) / 3
    mean = float(np.square(mean_gradient).sum()) - per_second / seconds.sum()
    assert meter.smoothed.variance == pytest.approx(per_second / BASE_SECONDS, rel=1e-5)
    assert meter.smoothed.mean == pytest.approx(mean, rel=1e-5)


def test_under_adam_norms_are_of_gradients_as_it_divides_them() -> None:
    rng = np.random.default_rng(2)
    weight, optimizer, meter = metered("adam")
    first = np.arange(1.0, 7.0)
    weight.grad = torch.from_numpy(first).float()
    optimizer.step()
    gradients = rng.standard_normal((4, 6)) + 0.5
    # β₂ is 0.9: its second moment means something after ten base steps.
    measure(weight, meter, gradients, np.full(4, BASE_SECONDS), 9.0)
    assert meter.smoothed.steps == 0
    measure(weight, meter, gradients, np.full(4, BASE_SECONDS), 10.0)
    moment = 0.1 * first**2 / (1 - 0.9**10)
    variance, mean = by_the_paper(gradients, 1 / (np.sqrt(moment) + 0.01 + 0.03 * np.sqrt(moment.mean())))
    assert (meter.smoothed.variance, meter.smoothed.mean) == pytest.approx((variance, max(mean, 0.0)), rel=1e-4)


def test_a_parameter_without_a_gradient_so_far_does_not_outweigh_the_others() -> None:
    weight, optimizer, meter = metered("adam")
    weight.grad = torch.tensor([0.0, 1, 1, 1, 1, 1])
    optimizer.step()
    gradients = np.random.default_rng(3).standard_normal((4, 6)) + 1.0
    measure(weight, meter, gradients, np.full(4, BASE_SECONDS), 10.0)
    assert meter.smoothed.steps == 1
    alone = by_the_paper(gradients[:, :1], 1 / np.array([0.01]))
    # Without a floor it would count by ε⁻², as it does alone.
    assert meter.smoothed.variance < alone[0] / 2


def test_alike_gradients_are_worth_one_base_step_and_pure_noise_is_worth_all() -> None:
    weight, _, meter = metered("sgd")
    measure(weight, meter, np.ones((4, 6)), np.full(4, BASE_SECONDS), 0.0)
    assert meter.gain(4.0) == pytest.approx(1.0, abs=1e-4)
    weight, _, meter = metered("sgd")
    noise = np.array([1.0, -1.0, 1.0, -1.0])[:, None] * np.ones(6)
    measure(weight, meter, noise, np.full(4, BASE_SECONDS), 0.0)
    assert meter.gain(4.0) == pytest.approx(4.0)
