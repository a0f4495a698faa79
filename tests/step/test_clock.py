from __future__ import annotations

import dataclasses
import math
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest

from asr.config import Config, ScheduleConfig
from asr.data.manifest import Manifest, Utterance
from asr.scaling.plan import Plan
from asr.schedule import value_at
from asr.step.clock import Clock, learning_rate_share, passed, reached
from asr.step.feeder import Feeder
from asr.step.planner import Planner, Positions

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
def test_the_mean_of_a_schedule_over_a_straight_line_does_not_depend_on_kappa(kappa: float) -> None:
    clock, total = Clock(60.0), 0.0
    while clock.hours < 4 - 1e-9:
        when = clock.middle(kappa)
        assert when.step == clock.steps
        total += kappa * value_at(((0.0, 0.3), (4.0, 0.1)), when.hours)
        clock.tick(kappa)
    assert total / 240 == pytest.approx(0.2, rel=1e-9)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_the_sum_of_learning_rates_over_a_straight_line_does_not_depend_on_kappa(kappa: float) -> None:
    schedule = ScheduleConfig(total_hours=4, warmup_hours=0.8, decay_start_hours=1.6, decay="linear")
    clock, total = Clock(60.0), 0.0
    while clock.hours < 4 - 1e-9:
        total += kappa * learning_rate_share(schedule, clock.middle(kappa).hours)
        clock.tick(kappa)
    assert total == pytest.approx(60 * (0.8 / 2 + 0.8 + 2.4 / 2), rel=1e-9)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    schedule = ScheduleConfig(total_hours=10, warmup_hours=2, decay_start_hours=6, decay="cosine", final_share=0.1)

    share = partial(learning_rate_share, schedule)

    assert share(0) == 0
    assert share(1) == 0.5
    assert share(2) == share(6) == 1
    assert math.isclose(share(8), 0.55)
    assert math.isclose(share(10), 0.1)
    assert math.isclose(share(11), 0.1)


def test_an_interval_of_zero_never_passes() -> None:
    assert not passed(0, 10, 0)


@pytest.fixture(scope="module")
def audio() -> Manifest:
    """Lengths as LibriSpeech has them, 33 hours."""
    lengths = np.random.default_rng(1).gamma(4.0, 3.0, 10_000).clip(1.0, 16.0)
    return Manifest(Utterance(str(row), "", seconds) for row, seconds in enumerate(lengths.tolist()))


@pytest.mark.parametrize("kappa", [0.5, 1.0, 3.0, 8.0, 64.0])
def test_the_audio_that_the_clock_shows_has_been_heard(audio: Manifest, kappa: float) -> None:
    batch = dataclasses.replace(Config().batch, base_seconds=290.0, unit_seconds=160.0)
    config = dataclasses.replace(Config(), batch=batch, batch_scale=kappa)
    clock, planned, heard = Clock(290.0), Clock(290.0), 0.0
    steps = Planner(config, Plan(config), (audio, audio)).steps(clock, Positions(started=True), lambda: 0.0)
    while planned.audio_hours < 2 * 33:
        step = next(steps)
        heard += step.seconds
        planned.tick(step.cut.scale)
    assert heard / (3600 * planned.audio_hours) == pytest.approx(1.0, abs=0.005)


def test_under_adascale_the_share_is_that_of_the_hour_that_gains_have_led_to() -> None:
    """Steps are planned ahead, by κ; what they turn out to be worth moves the clock otherwise."""
    jump = ((0.0, 0.5), (0.2, 0.5), (0.2, 0.75))
    config = dataclasses.replace(
        Config(),
        batch_scale=4.0,
        batch=dataclasses.replace(Config().batch, base_seconds=12.0, unit_seconds=6.7, frame_multiple=24),
        scaling=dataclasses.replace(Config().scaling, adascale=True),
        pseudo=dataclasses.replace(Config().pseudo, start_hours=0.05, unlabeled_share=jump),
    )
    rows = [Utterance(str(row), f"/{row}.flac", 1.5 + row % 3 / 2) for row in range(300)]
    plan, clock = Plan(config), Clock(12.0)
    planner = Planner(config, plan, (Manifest(rows), Manifest(rows)))

    reader = Mock(submit=Mock(return_value=[]), gather=Mock(return_value=[]))
    seen: set[float] = set()
    for batch, _ in zip(Feeder(planner, reader, 0, 1).feed(clock, Positions()), range(60), strict=False):
        assert batch.cut == plan.at(clock.hours)
        seen.add(batch.cut.unlabeled.seconds)
        clock.tick(batch.cut.scale, 2.0)
    assert len(seen) == 2
