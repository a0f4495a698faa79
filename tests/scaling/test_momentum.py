from __future__ import annotations

import math

import pytest

from asr.config import TeacherConfig
from asr.scaling.momentum import Momentum
from asr.scaling.rules import corrected_rate

STUDENTS = [1.0, 3.0, -2.0, 5.0, 4.0, 0.5, 2.0, 7.0]


def walk(momentum: Momentum, kappa: int, corrected: bool, start: float = 100.0) -> float:
    """A teacher of one number after the students, of which each stands still for κ base steps."""
    teacher, weight, hours = start, 0.0, 0.0
    for student in STUDENTS[kappa - 1 :: kappa]:
        rate = -math.expm1(momentum.decay(hours, kappa))
        if corrected:
            rate, weight = corrected_rate(rate, weight)
        teacher += rate * (student - teacher)
        hours += kappa / 60
    return teacher


@pytest.mark.parametrize("kappa", [1, 2, 4, 8])
def test_a_corrected_teacher_is_the_weighted_mean_of_the_students_and_has_nothing_of_its_start(kappa: int) -> None:
    rho = 0.9
    students = STUDENTS[kappa - 1 :: kappa]
    weights = [rho ** (kappa * (len(students) - 1 - i)) for i in range(len(students))]
    expected = sum(w * s for w, s in zip(weights, students, strict=True)) / sum(weights)
    momentum = Momentum(TeacherConfig(momentum=rho), 60.0)
    assert walk(momentum, kappa, corrected=True) == pytest.approx(expected, rel=1e-12)
    assert walk(momentum, kappa, corrected=True, start=-5.0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kappa", [1, 2, 4, 8])
def test_an_uncorrected_teacher_keeps_the_share_of_its_start_that_momentum_leaves(kappa: int) -> None:
    momentum = Momentum(TeacherConfig(momentum=0.9, start="initial"), 60.0)
    difference = walk(momentum, kappa, False, start=100.0) - walk(momentum, kappa, False, start=0.0)
    assert difference == pytest.approx(100 * 0.9**8, rel=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_half_life_that_is_a_share_of_the_audio_leaves_the_same_at_every_kappa(share: float) -> None:
    momentum = Momentum(TeacherConfig(half_life_hours=2.0, half_life_share=share), 60.0)
    for begin, end in ((1.0, 9.0), (0.5, 1.0), (30.0, 70.0)):
        whole = momentum.decay(begin, (end - begin) * 60)
        parts = sum(momentum.decay(begin + i * (end - begin) / 64, (end - begin) * 60 / 64) for i in range(64))
        assert parts == pytest.approx(whole, rel=1e-9)
    # As long as the share is what bounds, twice the audio leaves 2^(−1 / share) of the teacher.
    assert momentum.decay(0.5, 0.5 * 60) == pytest.approx(-math.log(2) * math.log2(2) / share * math.log(2), rel=1e-9)
    assert momentum.half_life(1.0) == pytest.approx(min(2.0, share))


def test_a_young_teacher_has_nothing_of_before_the_first_step() -> None:
    momentum = Momentum(TeacherConfig(half_life_hours=2.0, half_life_share=0.1, start="initial"), 60.0)
    assert -math.expm1(momentum.decay(0.0, 1.0)) == 1.0


def test_momentum_and_half_life_may_change_on_the_clock_of_audio() -> None:
    rising = Momentum(TeacherConfig(momentum=((0.0, 0.9), (10.0, 0.99))), 60.0)
    assert math.exp(rising.log(5.0)) == pytest.approx(0.945)
    assert math.exp(rising.decay(5.0 - 2 / 60, 4.0)) == pytest.approx(0.945**4)
    older = Momentum(TeacherConfig(half_life_hours=((0.0, 1.0), (10.0, 3.0))), 60.0)
    assert older.half_life(5.0) == pytest.approx(2.0)


def test_without_momentum_the_teacher_is_the_student() -> None:
    none = Momentum(TeacherConfig(momentum=0.0), 60.0)
    assert -math.expm1(none.decay(0.0, 1.0)) == -math.expm1(none.decay(3.0, 1.0)) == 1.0
