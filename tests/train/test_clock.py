from __future__ import annotations

import math

import pytest

from asr.config import ScheduleConfig
from asr.train.clock import Clock, learning_rate_share, passed, reached

KAPPAS = (0.5, 1, 2, 4, 8)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_events_lie_at_the_same_hour_at_every_kappa(kappa: float) -> None:
    clock, passes, start = Clock(60.0), [], None
    while clock.hours < 4 - 1e-9:
        before = clock.hours
        if start is None and reached(before, 2.0):
            start = before
        clock.tick(kappa)
        if passed(before, clock.hours, 0.8):
            passes.append(clock.hours)
    assert clock.steps == 240 / kappa
    assert start == pytest.approx(2.0)
    assert passes == pytest.approx([0.8, 1.6, 2.4, 3.2, 4.0])


@pytest.mark.parametrize("kappa", KAPPAS)
def test_the_sum_of_learning_rates_over_a_straight_line_does_not_depend_on_kappa(kappa: float) -> None:
    schedule = ScheduleConfig(total_hours=4, warmup_hours=0.8, decay_start_hours=1.6, decay="linear")
    clock, total = Clock(60.0), 0.0
    while clock.hours < 4 - 1e-9:
        total += kappa * learning_rate_share(schedule, clock.hours, clock.hours_after(kappa))
        clock.tick(kappa)
    assert total == pytest.approx(60 * (0.8 / 2 + 0.8 + 2.4 / 2), rel=1e-9)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    schedule = ScheduleConfig(total_hours=10, warmup_hours=2, decay_start_hours=6, decay="cosine", final_share=0.1)

    def share(hours: float) -> float:
        return learning_rate_share(schedule, hours, hours)

    assert share(0) == 0
    assert share(1) == 0.5
    assert share(2) == share(6) == 1
    assert math.isclose(share(8), 0.55)
    assert math.isclose(share(10), 0.1)
    assert math.isclose(share(11), 0.1)


def test_an_interval_of_zero_never_passes() -> None:
    assert not passed(0, 10, 0)
