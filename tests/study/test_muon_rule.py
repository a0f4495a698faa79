from __future__ import annotations

import pytest
import torch

from asr.step.muon import orthogonalise
from asr.study.muon import Quadratic, Rule, distances, follow, run_muon

SMALL = Quadratic(width=8, base_steps=256, seeds=8, lr=1e-2)


def test_updates_are_those_of_torch_s_muon() -> None:
    torch.manual_seed(0)
    gradients = [torch.randn(8, 8) for _ in range(3)]
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    optimizer = torch.optim.Muon([weight], lr=1.0, momentum=0.9, weight_decay=0.0)
    own, mean = torch.zeros(8, 8), torch.zeros(8, 8)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        mean = mean.lerp(gradient, 0.1)
        own -= orthogonalise(gradient.lerp(mean, 0.9))
        # torch computes them in bf16.
        torch.testing.assert_close(own, weight.detach(), rtol=0, atol=0.05)


@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_with_momentum_over_the_same_data_the_learning_rate_is_linear(noise: float) -> None:
    found = follow(Quadratic(**{**vars(SMALL), "noise": noise}), 8, Rule((0.5, 0.75, 1.0, 1.25)), rounds=50)
    assert found.exponent == 1.0
    assert found.distances[0.5] > 3 * found.distances[1.0]


def test_with_momentum_as_it_is_the_exponent_depends_on_the_noise() -> None:
    rule = Rule((0.5, 0.75, 1.0), power=False)
    problems = [Quadratic(width=8, base_steps=512, seeds=4, noise=noise) for noise in (0.01, 1.0)]
    assert [follow(problem, 4, rule, rounds=10).exponent for problem in problems] == [1.0, 0.75]


def test_decay_stays() -> None:
    problem = Quadratic(**{**vars(SMALL), "decay": 0.5})
    base = run_muon(problem, 1, Rule((0.0,)))
    keep, root = (distances(base, run_muon(problem, 8, Rule((1.0,), decay=q)), 8).item() for q in (0.0, 0.5))
    assert keep < root / 3
