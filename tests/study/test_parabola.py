from __future__ import annotations

import numpy as np

from asr.scaling.rules import ema_rate
from asr.study.parabola import Parabola, departure, largest_distance, run_parabola

PROBLEM = Parabola()


def test_closed_moments_are_those_of_sampled_runs() -> None:
    problem = Parabola(lr=0.02, momentum=0.95, multiplicative=0.5, additive=2.0, base_steps=120)
    kappa, runs = 4, 40_000
    rng = np.random.default_rng(0)
    student, teacher = np.ones(runs), np.ones(runs)
    lr, rate = problem.lr * kappa, ema_rate(problem.momentum, kappa)
    for _ in range(problem.base_steps // kappa):
        noise = rng.standard_normal(runs) * np.sqrt((problem.multiplicative * student**2 + problem.additive) / kappa)
        student = student - lr * (student + noise)
        teacher = teacher + rate * (student - teacher)
    closed = run_parabola(problem, kappa)
    found = [student.mean(), student.std(), teacher.mean(), teacher.std()]
    exact = [closed.student_mean[-1], closed.student_std[-1], closed.teacher_mean[-1], closed.teacher_std[-1]]
    np.testing.assert_allclose(found, exact, atol=0.01)


def test_with_the_rule_student_and_teacher_follow_the_base_run_up_to_large_kappa() -> None:
    for kappa in (2, 4, 8, 16, 32, 64):
        assert max(largest_distance(PROBLEM, kappa)) < 0.015


def test_without_the_rule_the_teacher_leaves_at_once_and_the_student_does_not() -> None:
    for kappa in (2, 4, 8):
        student, teacher = largest_distance(PROBLEM, kappa, ema_rule=False)
        assert student < 0.002
        assert teacher > 100 * student


def test_the_rule_ends_somewhere_and_where_is_found() -> None:
    assert departure(PROBLEM, 0.05) == 256
    assert departure(PROBLEM, 0.05, ema_rule=False) == 2
    assert departure(PROBLEM, 0.05, most=64) is None
