from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from asr.config import Config, PseudoConfig
from asr.data.batching import Grid, Stream
from asr.data.manifest import Manifest, Utterance
from asr.errors import UserError
from asr.pseudo.strategy import Cache, draw_kind
from asr.scaling.plan import Plan
from asr.step.clock import Clock
from asr.step.planner import Planned, Planner, Positions

LENGTHS = np.random.default_rng(1).uniform(2.0, 6.0, 400)


def manifest(name: str) -> Manifest:
    return Manifest(Utterance(f"{name}-{row}", f"/{name}/{row}.flac", float(s)) for row, s in enumerate(LENGTHS))


def planned(
    config: Config, steps: int, clock: Clock | None = None, positions: Positions | None = None
) -> list[Planned]:
    planner = Planner(config, Plan(config), (manifest("labeled"), manifest("unlabeled")))
    found = planner.steps(clock or Clock(config.batch.base_seconds), positions or Positions(), lambda: 0.5)
    return [step for step, _ in zip(found, range(steps), strict=False)]


def cached(kappa: float = 1.0, hours: float = 0.1, **changes: object) -> Config:
    pseudo = PseudoConfig(start_hours=0.0, unlabeled_share=0.5, cache_hours=hours, **changes)  # type: ignore[arg-type]
    batch = dataclasses.replace(Config().batch, base_seconds=60.0, unit_seconds=66.0)
    return dataclasses.replace(Config(), pseudo=pseudo, batch=batch, batch_scale=kappa)


def test_a_cache_fills_first_and_then_gives_what_it_holds() -> None:
    cache = Cache(Stream(LENGTHS, Grid(20.0, 30.0), 0.02, seed=1), 6, seed=1)
    first = [use for _ in range(3) for use, _ in cache.take(2, _, 0.0).batches]
    assert first == ["now"] * 6
    held = {tuple(cache._stream.at(slot).rows) for slot in cache.slots}
    for step in range(3, 20):
        taken = cache.take(2, step, 0.0)
        assert [use for use, _ in taken.batches] == ["stored", "stored"]
        assert len({tuple(batch.rows) for _, batch in taken.batches}) == 2
        assert all(tuple(batch.rows) in held for _, batch in taken.batches)
        assert not taken.released


def test_a_label_is_used_1_over_p_times_and_lives_as_long_in_audio_at_every_kappa() -> None:
    for kappa in (1.0, 4.0):
        used: Counter[tuple[int, ...]] = Counter()
        born: dict[tuple[int, ...], float] = {}
        lives: list[float] = []
        config = cached(kappa)
        hour = 0.0
        for step in planned(config, round(6000 / kappa)):
            for use, batch in step.batches:
                rows = tuple(batch.rows.tolist())
                if use in ("now", "label"):
                    born.setdefault(rows, hour)
                if use in ("now", "stored"):
                    used[rows] += 1
            gone = [rows for rows in born if set(rows) & set(step.released)]
            lives += [hour - born.pop(rows) for rows in gone]
            hour += kappa * 30 / 3600
        # p is 0.5 here: 0.1 h of cache are replaced once in 0.2 h of unlabeled audio.
        assert np.mean(lives) == pytest.approx(0.2, rel=0.15)


def test_released_utterances_are_those_that_no_slot_holds() -> None:
    held: set[int] = set()
    for step in planned(cached(), 3000):
        for use, batch in step.batches:
            if use in ("now", "label"):
                held |= set(batch.rows.tolist())
            elif use == "stored":
                assert set(batch.rows.tolist()) <= held
        held -= set(step.released)
    assert len(held) < 130


@pytest.mark.parametrize("config", [cached(), cached(mixing="update"), cached(hours=0.0, mixing="update")])
def test_the_plan_goes_on_from_any_step(config: Config) -> None:
    whole = planned(config, 60)
    clock = Clock(60.0)
    for at, step in enumerate(whole[:-1]):
        clock.tick(1.0)
        if at % 7:
            continue
        (after,) = planned(config, 1, dataclasses.replace(clock), step.positions)
        expected = whole[at + 1]
        assert [(use, b.rows.tolist()) for use, b in after.batches] == [
            (use, b.rows.tolist()) for use, b in expected.batches
        ]
        assert (after.released, after.positions) == (expected.released, expected.positions)


def test_updates_of_one_kind_come_as_often_as_the_share_says() -> None:
    settings = PseudoConfig(mixing="update")
    kinds = [draw_kind(settings, 0.8, 3, step) for step in range(5000)]
    assert all(labeled != unlabeled for labeled, unlabeled in kinds)
    assert np.mean([unlabeled for _, unlabeled in kinds]) == pytest.approx(0.8, abs=0.02)
    steps = planned(cached(hours=0.0, mixing="update"), 50)
    assert all(len({use for use, _ in step.batches}) == 1 for step in steps)
    assert np.mean([step.seconds for step in steps]) == pytest.approx(60, rel=0.1)


def test_a_cache_smaller_than_a_step_is_refused() -> None:
    with pytest.raises(UserError, match=r"pseudo.cache_hours = 0.001 holds 0 micro-batches"):
        planned(cached(hours=0.001), 1)


def test_a_share_that_jumps_cuts_both_streams_anew_and_empties_the_cache() -> None:
    jump = ((0.0, 0.5), (0.5, 0.5), (0.5, 0.25))
    config = cached()
    config = dataclasses.replace(config, pseudo=dataclasses.replace(config.pseudo, unlabeled_share=jump))
    steps = planned(config, 60)
    at = next(i for i, step in enumerate(steps) if step.cut.unlabeled.seconds == 15.0)
    assert at == 30
    assert steps[at].positions.labeled[0] == steps[at - 1].positions.labeled[0] + 1
    assert all(use == "now" for use, _ in steps[at].batches[1:])
    held = {row for step in steps[:at] for use, b in step.batches if use in ("now", "label") for row in b.rows.tolist()}
    gone = {row for step in steps[: at + 1] for row in step.released}
    # What the new cache holds is asked for.
    new = {row for use, b in steps[at].batches if use == "now" for row in b.rows.tolist()}
    assert held - new <= gone <= held
    assert not new.intersection(steps[at].released)


@pytest.mark.parametrize("labels", ["oracle", "a folder"])
def test_labels_that_are_given_are_not_cached(labels: str) -> None:
    for step in planned(cached(labels=labels), 40):
        assert {use for use, _ in step.batches} == {"text", "stored"}


@pytest.mark.parametrize("changes", [{"progressive": ((0.0, 1.0), (1.0, 16.0))}, {"start_hours": 1.0}])
def test_a_cache_holds_a_step_of_the_largest_kappa_from_the_first_one_on(changes: dict[str, Any]) -> None:
    config = dataclasses.replace(cached(hours=0.02), batch_scale=1.0 if "progressive" in changes else 16.0)
    config = dataclasses.replace(config, scaling=dataclasses.replace(config.scaling, **changes))
    with pytest.raises(UserError, match=r"holds 2 micro-batches of .* s, fewer than the 17 of a step at κ = 16"):
        planned(config, 1)


def test_a_cache_is_as_large_in_every_epoch() -> None:
    """Whole utterances make up other means of micro-batches in other epochs."""
    config = cached(hours=149.5 / 3600)
    batch = dataclasses.replace(config.batch, base_seconds=30.0, unit_seconds=60.0, length_jitter=0.3)
    config = dataclasses.replace(config, batch=batch)
    planner = Planner(config, Plan(config), (manifest("labeled"), manifest("unlabeled")))
    sizes, means = set(), set()
    for epoch in range(30):
        micro = planner.cut(Clock(30.0)).unlabeled
        stream = planner._stream(False, micro.seconds)
        stream.seek(epoch, 0)
        means.add(stream.mean_seconds)
        cache = planner._cache(stream, 1.0, micro)
        assert cache is not None
        sizes.add(cache.size)
    assert len(means) > 1
    assert len(sizes) == 1
