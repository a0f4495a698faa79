"""How Muon's values must follow the batch size, found on a noisy quadratic over matrices.

The loss is ½ Σ hᵢ (W − W*)ᵢⱼ²; a batch of κ base batches gives its gradient plus normal noise of variance σ²/κ. Muon
orthogonalises its momentum, so nothing is known in closed form, and runs are compared: which exponent p makes a run at
κ, its learning rate being lr·κ^p, follow the base run over the same data?
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.step.muon import orthogonalise


@dataclass(frozen=True)
class Quadratic:
    """The problem and its base values. The learning rate falls to 0 over the run, as in training."""

    noise: float = 0.3
    """σ. Gradients begin with elements of about 0.1."""
    width: int = 16
    condition: float = 30.0
    """Largest over smallest curvature; the largest is 1."""
    lr: float = 2e-3
    momentum: float = 0.95
    decay: float = 0.0
    base_steps: int = 2048
    seeds: int = 16
    """Problems, each with its own noise."""
    draw: int = 0
    """Another one gives the same problems other noise."""


@dataclass(frozen=True)
class Rule:
    """lr·κ^p for each of `exponents`; momentum^κ, or as it is; decoupled decay λ·κ^q."""

    exponents: tuple[float, ...]
    power: bool = True
    decay: float = 0.0
    """q."""


@functools.lru_cache(maxsize=4)
def run_muon(problem: Quadratic, kappa: int, rule: Rule) -> Tensor:
    """Losses before every step and after the last, `(steps + 1, exponents, seeds)`."""
    shape = (problem.seeds, problem.width, problem.width)
    target = torch.randn(shape, generator=torch.Generator().manual_seed(0)) / math.sqrt(problem.width)
    curvature = torch.logspace(0, -math.log10(problem.condition), problem.width)[:, None]
    # Each κ has its own noise: runs that shared it would be alike by more than their rule.
    draws = torch.Generator().manual_seed(1000 * problem.draw + kappa)
    lr = problem.lr * torch.tensor([float(kappa) ** p for p in rule.exponents])[:, None, None, None]
    momentum = problem.momentum**kappa if rule.power else problem.momentum
    decay, steps = problem.decay * kappa**rule.decay, problem.base_steps // kappa
    weight = torch.zeros(len(rule.exponents), *shape)
    mean, losses = torch.zeros_like(weight), []
    for step in range(steps):
        error = weight - target
        losses.append((curvature * error.square()).sum((-2, -1)) / 2)
        noise = torch.randn(shape, generator=draws) * (problem.noise / math.sqrt(kappa))
        gradient = curvature * error + noise
        mean = mean.lerp(gradient, 1 - momentum)
        update = orthogonalise(gradient.lerp(mean, momentum))
        rate = lr * (1 - step / steps)
        weight = weight * (1 - rate * decay) - rate * update
    losses.append((curvature * (weight - target).square()).sum((-2, -1)) / 2)
    return torch.stack(losses)


def distances(base: Tensor, scaled: Tensor, kappa: int, seeds: Tensor | None = None) -> Tensor:
    """Mean |ln (loss / base loss)| at equal data, from a sixteenth of the run on; of each exponent, `(exponents,)`.

    Args:
        base: of `run_muon` at κ = 1, with one exponent.
        scaled: at κ.
        kappa: κ.
        seeds: those that count, some of them several times; all, each once, where not given.
    """
    which = torch.arange(base.shape[2]) if seeds is None else seeds
    at = torch.arange(len(scaled)) * kappa
    ratio = scaled[:, :, which].mean(2).log() - base[at][:, :, which].mean(2).log()
    return ratio[len(scaled) // 16 :].abs().mean(0)


@dataclass(frozen=True)
class Found:
    """The exponent that follows the base run best, with its 95 % interval over seeds."""

    exponent: float
    interval: tuple[float, float]
    distances: dict[float, float]
    """By exponent."""


def follow(problem: Quadratic, kappa: int, rule: Rule, rounds: int = 1000) -> Found:
    """Try a rule's exponents at κ against the base run; `rounds` of the bootstrap."""
    base, scaled = run_muon(problem, 1, Rule((0.0,))), run_muon(problem, kappa, rule)
    by_exponent = dict(zip(rule.exponents, distances(base, scaled, kappa).tolist(), strict=True))
    draws, n = torch.Generator().manual_seed(1), problem.seeds
    drawn = [distances(base, scaled, kappa, torch.randint(n, (n,), generator=draws)).argmin() for _ in range(rounds)]
    best = torch.tensor(rule.exponents)[torch.stack(drawn)]
    low, high = best.quantile(torch.tensor([0.025, 0.975])).tolist()
    return Found(min(by_exponent, key=by_exponent.__getitem__), (low, high), by_exponent)
