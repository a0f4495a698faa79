from __future__ import annotations

import dataclasses
import itertools
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.config import Config, ScalingConfig, TeacherConfig
from asr.errors import UserError
from asr.scaling.events import events, intervals
from asr.scaling.momentum import Momentum
from asr.scaling.plan import Plan
from asr.scaling.rules import epoch_weight, half_life_hours
from asr.scaling.table import format_table, table
from asr.step.clock import Clock, passed, reached

BASE = Config(batch=dataclasses.replace(Config().batch, base_seconds=60.0, unit_seconds=66.0))


def with_scaling(**changes: Any) -> Config:
    return dataclasses.replace(BASE, scaling=ScalingConfig(**changes))


def walk(plan: Plan, hours: float) -> list[Clock]:
    """The clock after every step until `hours`."""
    clock = Clock(plan.config.batch.base_seconds)
    seen: list[Clock] = []
    while not reached(clock.hours, hours):
        clock.tick(plan.at(clock.hours).scale)
        seen.append(dataclasses.replace(clock))
    return seen


@given(st.floats(0.9, 0.999999), st.floats(1.0, 3600.0), st.floats(0.5, 1000.0))
def test_momentum_half_life_and_weight_per_epoch_convert_into_each_other(rho: float, base: float, epoch: float) -> None:
    half_life = TeacherConfig(half_life_hours=half_life_hours(rho, base))
    assert math.isclose(math.exp(Momentum(half_life, base).log(0.0)), rho, rel_tol=1e-12)
    weight = epoch_weight(rho, epoch, base)
    if weight > 1e-200:
        by_epoch = TeacherConfig(epoch_weight=weight, epoch_hours=epoch)
        assert math.isclose(math.exp(Momentum(by_epoch, base).log(0.0)), rho, rel_tol=1e-9)


def test_half_a_teacher_per_epoch_is_a_half_life_of_an_epoch() -> None:
    teacher = TeacherConfig(epoch_weight=0.5, epoch_hours=860)
    assert math.isclose(Momentum(teacher, 60.0).half_life(0.0), 860)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (TeacherConfig(epoch_weight=0.5), "needs teacher.epoch_hours"),
        (TeacherConfig(epoch_hours=1.0), "is nothing without teacher.epoch_weight"),
        (TeacherConfig(epoch_weight=0.5, epoch_hours=1.0, half_life_hours=1.0), "two ways to say one thing"),
    ],
)
def test_a_momentum_that_is_said_by_halves_or_twice_is_refused(teacher: TeacherConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Plan(dataclasses.replace(BASE, teacher=teacher))


@pytest.mark.parametrize("kappa", [0.5, 1.0, 2.0, 4.0, 8.0])
def test_every_event_lies_at_its_hour_of_audio_at_every_kappa(kappa: float) -> None:
    """Within one step: the clock can only stand where a step ends."""
    config = dataclasses.replace(
        BASE,
        batch_scale=kappa,
        schedule=dataclasses.replace(
            BASE.schedule, total_hours=12.0, warmup_hours=0.7, decay_start_hours=6.3, frozen_hours=0.4
        ),
        pseudo=dataclasses.replace(BASE.pseudo, start_hours=2.9),
        specaugment=dataclasses.replace(BASE.specaugment, start_hours=1.1),
        train=dataclasses.replace(BASE.train, log_hours=0.5, evaluate_hours=1.5, checkpoint_hours=2.0),
    )
    named = dict(events(Plan(config)) + intervals(config))
    # Everything in the settings that is an hour is an event of the table; nothing is counted in steps.
    sections = ("schedule", "pseudo", "specaugment", "train")
    # A cache's size is no event.
    fields = [f.name for s in sections for f in dataclasses.fields(getattr(config, s))]
    counted = [name for name in fields if name.endswith("_hours") and name != "cache_hours"]
    assert len(named) == len(counted) == 9
    assert not [n for s in sections for n in vars(getattr(config, s)) if n.endswith("_steps") and "skipped" not in n]
    plan = Plan(config)
    clocks = walk(plan, config.schedule.total_hours)
    step = kappa * 60 / 3600
    for name, hours in named.items():
        if name.endswith("every"):
            at = [b.hours for a, b in itertools.pairwise(clocks) if passed(a.hours, b.hours, hours)]
            expected = [hours * n for n in range(1, int(12 / hours) + 1)]
        else:
            at = [next(c.hours for c in clocks if reached(c.hours, hours))]
            expected = [hours]
            assert plan.steps_until(hours) == next(c.steps for c in clocks if reached(c.hours, hours))
        assert len(at) == len(expected), name
        assert all(0 <= found - due < step + 1e-9 for found, due in zip(at, expected, strict=True)), name


def test_a_sharp_switch_changes_kappa_at_its_hour_and_a_ramp_by_equal_factors() -> None:
    sharp = Plan(with_scaling(progressive=((0.0, 1.0), (2.0, 8.0))))
    assert [sharp.at(h).scale for h in (0.0, 1.99, 2.0, 5.0)] == [1, 1, 8, 8]
    ramp = Plan(with_scaling(progressive=((0.0, 1.0), (2.0, 8.0)), ramp_hours=3.0))
    assert [round(ramp.wanted_scale(h), 6) for h in (0.0, 2.0, 3.0, 4.0, 5.0, 9.0)] == [1, 1, 2, 4, 8, 8]
    scales = [c.base_batches for c in walk(ramp, 6.0)]
    assert {b - a for a, b in itertools.pairwise(scales)} == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_batch_scale_that_holds_from_an_hour_on_is_a_schedule_of_two_values() -> None:
    late = Plan(dataclasses.replace(with_scaling(start_hours=2.0), batch_scale=4.0))
    assert late.points == Plan(with_scaling(progressive=((0.0, 1.0), (2.0, 4.0)))).points
    assert "κ becomes 4" in format_table(late)
    # At κ = 1 nothing changes on the way, and micro-batches are as they would be without.
    assert Plan(with_scaling(start_hours=2.0)).at(3.0) == Plan(BASE).at(3.0)
    assert Plan(with_scaling(start_hours=2.0, progressive=((0.0, 1.0), (1.0, 8.0)))).at(1.5).scale == 8
    end = BASE.schedule.total_hours
    never = Plan(dataclasses.replace(with_scaling(start_hours=end), batch_scale=4.0))
    assert f"warning: κ = 4 would hold from {end:g} h on, and training ends at {end:g} h" in format_table(never)
    with pytest.raises(UserError, match=r"scaling\.start_hours and scaling\.adascale cannot be used together"):
        Plan(dataclasses.replace(with_scaling(start_hours=2.0, adascale=True), batch_scale=4.0))


def test_values_during_a_ramp_come_from_the_base_and_do_not_compound() -> None:
    """Algorithm 1 of "How to Scale Your EMA"."""
    ramp = Plan(with_scaling(progressive=((0.0, 1.0), (2.0, 8.0), (9.0, 2.0)), ramp_hours=3.0))
    for hours in (0.0, 3.0, 4.0, 6.0, 12.5):
        scale = ramp.at(hours).scale
        assert ramp.values(scale) == Plan(dataclasses.replace(BASE, batch_scale=scale)).values(scale)
    assert ramp.at(12.5).scale == 2


def test_micro_batches_keep_their_size_while_kappa_changes() -> None:
    plan = Plan(with_scaling(progressive=((0.0, 0.5), (2.0, 4.0)), ramp_hours=1.0))
    cuts = [plan.at(h) for h in (0.0, 2.5, 9.0)]
    assert {(c.whole.seconds, c.labeled.seconds, c.unlabeled.seconds) for c in cuts} == {(30.0, 7.5, 22.5)}
    assert [c.whole.count for c in cuts] == [round(c.scale * 2) for c in cuts]
    assert "30 s → 240 s" in format_table(plan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"progressive": ((1.0, 1.0),)}, "must begin at hour 0"),
        ({"progressive": ((0.0, 1.0), (2.0, 4.0), (2.0, 8.0))}, "in order"),
        ({"progressive": ((0.0, 1.0), (2.0, 4.0), (3.0, 8.0)), "ramp_hours": 2.0}, "at least scaling.ramp_hours"),
        ({"progressive": ((0.0, 1.0), (2.0, 0.0))}, "κ = 0: must be a positive"),
        ({"progressive": ((0.0, 1.0),), "adascale": True}, "cannot be used together"),
    ],
)
def test_a_schedule_of_kappa_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Plan(with_scaling(**changes))


def test_kappa_is_given_once() -> None:
    config = dataclasses.replace(with_scaling(progressive=((0.0, 1.0),)), batch_scale=2.0)
    with pytest.raises(UserError, match="batch_scale = 2 must be left at 1"):
        Plan(config)


def test_the_teacher_can_follow_the_audio_that_there_was() -> None:
    nominal = Plan(dataclasses.replace(BASE, batch_scale=4.0))
    real = Plan(dataclasses.replace(with_scaling(ema_clock="seconds"), batch_scale=4.0))
    assert math.isclose(real.teacher_decay(1.0, 4.0, 4.0, 240.0), nominal.teacher_decay(1.0, 4.0, 4.0, 240.0))
    assert math.isclose(math.exp(real.teacher_decay(1.0, 4.0, 4.0, 210.0)), 0.999**3.5)
    assert nominal.teacher_decay(1.0, 4.0, 4.0, 210.0) == nominal.teacher_decay(1.0, 4.0, 4.0, 240.0)
    # A step that AdaScale finds worth 1.5 base steps moves the teacher by as much, and by less where audio is missing.
    assert math.isclose(math.exp(real.teacher_decay(1.0, 1.5, 4.0, 210.0)), 0.999 ** (1.5 * 3.5 / 4))


def test_the_exact_decay_follows_the_schedule_and_the_width() -> None:
    """κ base steps shrink a weight as one scaled step does, at any learning rate."""
    optimizer = dataclasses.replace(BASE.optimizer, kind="adamw", lr=0.1, weight_decay=0.5, decay_rule="exact")
    for share, ratio in ((1.0, 1.0), (0.5, 1.0), (0.25, 2.0)):
        proxy = dataclasses.replace(optimizer, proxy_width=round(BASE.model.width / ratio))
        plan = Plan(dataclasses.replace(BASE, optimizer=proxy, batch_scale=4.0))
        lr = plan.values(4.0).lr * share / ratio
        one = 1 - 0.1 * share / ratio * 0.5 * math.sqrt(ratio)
        assert math.isclose(1 - lr * plan.matrix_decay(4.0, share)["hidden"], one**4, rel_tol=1e-12)
    small = dataclasses.replace(proxy, decay_rule="small-lr")
    decay = Plan(dataclasses.replace(BASE, optimizer=small)).matrix_decay(4.0, 0.5)
    assert decay == {"input": 1.0, "hidden": math.sqrt(2), "output": math.sqrt(2), "vector": 0.0}


def test_a_step_that_holds_more_than_all_of_training_is_refused() -> None:
    base = Config()
    schedule = dataclasses.replace(base.schedule, total_hours=1.0)
    most = 3600 / base.batch.base_seconds
    Plan(dataclasses.replace(base, schedule=schedule, batch_scale=most))
    with pytest.raises(UserError, match=f"more than all of training, schedule.total_hours = 1; κ is at most {most:g}"):
        Plan(dataclasses.replace(base, schedule=schedule, batch_scale=2 * most))


@pytest.mark.parametrize("scale", [1.5, 2.5, 0.75])
def test_micro_batches_are_cut_so_that_kappa_is_what_was_asked_for(scale: float) -> None:
    for plan in (
        Plan(with_scaling(progressive=((0.0, 1.0), (1.0, scale)))),
        Plan(dataclasses.replace(with_scaling(adascale=True), batch_scale=scale)),
    ):
        assert plan.at(9.0).scale == pytest.approx(scale)
        assert plan.at(9.0).whole.count * plan.at(9.0).whole.seconds == pytest.approx(scale * 60.0)


@pytest.mark.parametrize("scale", [1.2345, 0.37, 3.3332])
def test_a_kappa_that_alike_micro_batches_cannot_make_is_refused_with_one_that_they_can(scale: float) -> None:
    with pytest.raises(UserError, match="must be a multiple of 1/n with n from 1 to 16") as refused:
        Plan(with_scaling(progressive=((0.0, 1.0), (1.0, scale))))
    told = re.search(r"the nearest are ([\d.]+), ([\d.]+)$", str(refused.value))
    assert told is not None
    first, nearest = map(float, told.groups())
    assert nearest == pytest.approx(scale, rel=0.03)
    assert Plan(with_scaling(progressive=((0.0, first), (1.0, nearest)))).at(9.0).scale == pytest.approx(nearest)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "rmsprop", "muon"])
def test_the_table_has_a_row_for_each_value_that_kappa_changes(kind: str) -> None:
    optimizer = dataclasses.replace(BASE.optimizer, kind=kind, weight_decay=0.1, decay_rule="small-lr")
    rows = {row.name: row for row in table(Plan(dataclasses.replace(BASE, optimizer=optimizer, batch_scale=4.0)))}
    assert rows["learning rate"].scaled == (0.004 if kind == "sgd" else 0.002,)
    assert ("β₁" in rows, "α" in rows, "momentum" in rows) == (
        kind.startswith("adam") or kind == "muon",
        kind == "rmsprop",
        kind == "sgd",
    )
    if kind == "muon":
        assert rows["learning rate, Muon's matrices"].scaled == (0.004,)
        assert rows["momentum of Muon"].scaled == (pytest.approx(0.9**4),)
        assert rows["weight decay"].scaled == (0.1,)
        assert rows["weight decay, AdamW's part"].scaled == (0.2,)
    elif kind == "adamw":
        assert (rows["weight decay"].base, rows["weight decay"].scaled) == (0.1, (0.2,))
    else:
        assert (rows["weight decay (L2)"].base, rows["weight decay (L2)"].scaled) == (0.1, (0.1,))


@pytest.mark.parametrize(
    ("kind", "clip", "kappa", "warned"),
    [
        ("sgd", "fixed", 8.0, True),
        ("sgd", "running", 8.0, False),
        ("sgd", "fixed", 1.0, False),
        ("adamw", "fixed", 8.0, False),
    ],
)
def test_a_fixed_clip_that_undoes_sgd_s_rule_is_warned_of(kind: Any, clip: Any, kappa: float, warned: bool) -> None:
    optimizer = dataclasses.replace(BASE.optimizer, kind=kind, clip=clip)
    plan = Plan(dataclasses.replace(BASE, optimizer=optimizer, batch_scale=kappa))
    assert ("undoes SGD's rule" in format_table(plan)) is warned


def test_epsilon_follows_its_rule() -> None:
    for rule, eps in (("root", 5e-9), ("keep", 1e-8)):
        for kind in ("adam", "adamw", "muon"):
            optimizer = dataclasses.replace(BASE.optimizer, kind=kind, eps=1e-8, eps_rule=rule)  # type: ignore[arg-type]
            plan = Plan(dataclasses.replace(BASE, optimizer=optimizer, batch_scale=4.0))
            assert plan.values(4.0).eps == pytest.approx(eps)
            (row,) = (row for row in table(plan) if row.name == "ε")
            assert (row.scaled, row.rule) == ((pytest.approx(eps),), "ε / √κ" if rule == "root" else "unchanged")


def test_what_would_begin_after_the_end_is_warned_of() -> None:
    late = dataclasses.replace(
        BASE,
        schedule=dataclasses.replace(BASE.schedule, total_hours=4.0, warmup_hours=5.0),
        pseudo=dataclasses.replace(BASE.pseudo, labels="teacher", start_hours=4.0),
    )
    said = format_table(Plan(late))
    assert "warning: pseudo-labels would start at 4 h, and training ends at 4 h" in said
    assert "warning: the learning rate rises until 5 h, and training ends at 4 h" in said
    labeled = dataclasses.replace(late, pseudo=dataclasses.replace(late.pseudo, labels="none"), schedule=BASE.schedule)
    assert "warning" not in format_table(Plan(labeled))
