"""The noisy parabola of "How to Scale Your EMA" (§3.1), whose distributions are known in closed form.

The loss is θ²/2; a batch of κ base batches gives the gradient θ + ε with Var ε = (b·θ² + c) / κ. SGD and EMA are
linear, so means and second moments of student θ and teacher ζ after any number of steps follow exactly, without
sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.scaling.rules import ema_rate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parabola:
    """The problem and its base values. The student starts at 1, the teacher with it."""

    lr: float = 1e-3
    momentum: float = 0.9995
    multiplicative: float = 0.5
    """b."""
    additive: float = 20.0
    """c."""
    base_steps: int = 16_384


@dataclass(frozen=True)
class Distribution:
    """Means and standard deviations after each base step that a step ends on, `(points,)`."""

    base_steps: npt.NDArray[np.int64]
    student_mean: Floats
    student_std: Floats
    teacher_mean: Floats
    teacher_std: Floats


def run_parabola(problem: Parabola, kappa: int, ema_rule: bool = True) -> Distribution:
    """Student and teacher at κ, with the learning rate by SGD's linear rule, momentum by ρ^κ or left as it is."""
    lr = problem.lr * kappa
    rate = ema_rate(problem.momentum, kappa if ema_rule else 1.0)
    keep, noise = 1 - lr, lr * lr / kappa
    rows: list[tuple[float, float, float, float]] = []
    theta, theta2, zeta, zeta2, both = 1.0, 1.0, 1.0, 1.0, 1.0
    for _ in range(problem.base_steps // kappa):
        theta2 = (keep * keep + noise * problem.multiplicative) * theta2 + noise * problem.additive
        theta, moved = keep * theta, keep * both
        # The teacher averages the student after its step.
        both = (1 - rate) * moved + rate * theta2
        zeta2 = (1 - rate) ** 2 * zeta2 + 2 * rate * (1 - rate) * moved + rate * rate * theta2
        zeta = (1 - rate) * zeta + rate * theta
        rows.append((theta, theta2, zeta, zeta2))
    student, student2, teacher, teacher2 = np.array(rows).T
    return Distribution(
        np.arange(1, len(rows) + 1) * kappa,
        student,
        np.sqrt(np.maximum(student2 - student**2, 0)),
        teacher,
        np.sqrt(np.maximum(teacher2 - teacher**2, 0)),
    )


def largest_distance(problem: Parabola, kappa: int, ema_rule: bool = True) -> tuple[float, float]:
    """Of student and of teacher from the base run: the largest over the run, at equal numbers of base steps.

    The distance of two distributions is √((difference of means)² + (difference of standard deviations)²), the
    2-Wasserstein distance were they normal; the run begins at a distance of 1 from the minimum.
    """
    base, scaled = run_parabola(problem, 1), run_parabola(problem, kappa, ema_rule)
    at = scaled.base_steps - 1

    def distance(mean: Floats, std: Floats, base_mean: Floats, base_std: Floats) -> float:
        return float(np.hypot(mean - base_mean[at], std - base_std[at]).max())

    return (
        distance(scaled.student_mean, scaled.student_std, base.student_mean, base.student_std),
        distance(scaled.teacher_mean, scaled.teacher_std, base.teacher_mean, base.teacher_std),
    )


def departure(problem: Parabola, bound: float, ema_rule: bool = True, most: int = 2048) -> int | None:
    """The smallest power of two at which student or teacher leave the base run by more than `bound`."""
    kappa = 1
    while kappa <= most:
        if max(largest_distance(problem, kappa, ema_rule)) > bound:
            return kappa
        kappa *= 2
    return None
