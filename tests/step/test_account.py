from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from asr.config import Config
from asr.data.manifest import Manifest, Utterance
from asr.errors import UserError
from asr.scaling.plan import Micro, Plan
from asr.step.account import Need, count_micros, need
from asr.step.clock import Clock
from asr.step.planner import Planned, Planner, Positions

MINUTES = 720


def manifest(name: str, mean: float, count: int) -> Manifest:
    """Lengths as audio books have them."""
    lengths = np.random.default_rng(len(name)).gamma(4.0, mean / 4, count).clip(1.0, 17.0)
    return Manifest(Utterance(f"{name}{row}", "/none", float(s)) for row, s in enumerate(lengths))


TEXT, OTHER = manifest("labeled", 12.5, 1500), manifest("other", 6.5, 2900)


def planner(kappa: float, start_hours: float = 0.0, base: float = 15.0) -> tuple[Config, Planner]:
    usual = Config()
    config = dataclasses.replace(
        usual,
        batch_scale=kappa,
        batch=dataclasses.replace(usual.batch, base_seconds=base, unit_seconds=60.0, frame_multiple=48),
        pseudo=dataclasses.replace(usual.pseudo, start_hours=start_hours, unlabeled_share=0.5),
    )
    return config, Planner(config, Plan(config), (TEXT, OTHER))


def walk(kappa: float, start_hours: float, base: float = 15.0) -> tuple[list[Planned], float]:
    """Steps, and the seconds that the clock has counted for them."""
    config, steps = planner(kappa, start_hours, base)
    count = round(MINUTES * 60 / (base * kappa))
    found = list(itertools.islice(steps.steps(Clock(base), Positions(), lambda: 0.0), count))
    return found, config.batch.base_seconds * kappa * count


def seconds(step: Planned, kind: str) -> float:
    durations = (TEXT if kind == "text" else OTHER).durations
    return sum(float(durations[batch.rows].sum()) for use, batch in step.batches if use == kind)


@pytest.mark.parametrize("kappa", [1.0, 2.0, 4.0, 8.0, 16.0, 64.0])
@pytest.mark.parametrize("start_hours", [0.0, 1e9])
def test_as_much_audio_is_heard_as_the_clock_counts_where_a_batch_is_hardly_an_utterance(
    kappa: float, start_hours: float
) -> None:
    """Of each kind, within half a per cent and what a step may have too much at the end."""
    steps, counted = walk(kappa, start_hours)
    slack = 0.005 * counted + 60 * max(1.0, kappa / 8)
    assert sum(step.seconds for step in steps) == pytest.approx(counted, abs=slack)
    share = 0.5 if start_hours == 0 else 0.0
    assert sum(seconds(step, "now") for step in steps) == pytest.approx(share * counted, abs=slack)
    assert all(step.batches for step in steps)
    # Steps stay as large as each other, but for a micro-batch.
    counts = [len(step.batches) for step in steps]
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize(("kappa", "start_hours"), [(0.5, 1e9), (0.5, 0.0), (0.25, 0.0)])
def test_batches_shorter_than_utterances_are_refused(kappa: float, start_hours: float) -> None:
    with pytest.raises(
        UserError, match=r"shorter than utterances are.*raise batch\.base_seconds to (\d+) or more"
    ) as refused:
        walk(kappa, start_hours)
    enough = float(str(refused.value).partition("base_seconds to ")[2].split()[0])
    walk(kappa, start_hours, enough)


def test_steps_go_on_from_where_they_were_left() -> None:
    _, all_at_once = planner(1.0)
    whole = list(itertools.islice(all_at_once.steps(Clock(15.0), Positions(), lambda: 0.0), 40))
    for stop in (1, 7, 22):
        clock = Clock(15.0, stop, float(stop), float(stop))
        _, again = planner(1.0)
        rest = itertools.islice(again.steps(clock, whole[stop - 1].positions, lambda: 0.0), 40 - stop)
        for one, other in zip(whole[stop:], rest, strict=True):
            assert [use for use, _ in one.batches] == [use for use, _ in other.batches]
            assert all((a.rows == b.rows).all() for (_, a), (_, b) in zip(one.batches, other.batches, strict=True))
            assert one.positions == other.positions


def test_a_mean_that_is_near_is_taken_for_the_nominal_size() -> None:
    assert need(Micro(2, 30.0), 30.1) == Need(Micro(2, 30.0), 30.0)
    assert need(Micro(2, 30.0), 30.2).usual == 30.2
    assert count_micros([Need(Micro(2, 30.0), 30.0), Need(Micro(0, 0.0), 0.0)], (0.0, 0.0)) == ([2, 0], [0.0, 0.0])


def test_a_step_is_never_empty() -> None:
    owed: list[float] = [0.0, 0.0]
    kinds = [Need(Micro(1, 5.0), 13.0), Need(Micro(1, 10.0), 12.0)]
    sums = [0, 0]
    for _ in range(1000):
        counts, owed = count_micros(kinds, owed)
        assert sum(counts) >= 1
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
    assert sums[0] * 13 == pytest.approx(5000, abs=26)
    assert sums[1] * 12 == pytest.approx(10000, abs=26)
