from __future__ import annotations

import numpy as np
import pytest

from asr.data.manifest import Utterance
from asr.errors import UserError
from data_prep.split import split_labeled


def utterances(speakers: int = 20, of_each: int = 30) -> list[Utterance]:
    rng = np.random.default_rng(0)
    return [
        Utterance(f"{s}-{row}", "x", float(rng.uniform(2, 15)), 0.0, str(s))
        for s in range(speakers)
        for row in range(of_each)
    ]


def drawn(rows: list[Utterance], hours: float, seed: int = 1) -> set[str]:
    return {u.id for u in split_labeled(rows, (), hours, seed)[0]}


def test_without_conditions_all_keep_their_text() -> None:
    rows = utterances(2, 2)
    assert split_labeled(rows, (), None, 0) == (rows, [])


def test_named_speakers_keep_theirs_and_the_others_lose_it_in_order() -> None:
    rows = utterances(3, 2)
    kept, rest = split_labeled(rows, ("2", "0"), None, 0)
    assert [u.id for u in kept] == ["0-0", "0-1", "2-0", "2-1"]
    assert [u.id for u in rest] == ["1-0", "1-1"]


def test_drawn_hours_are_as_many_as_asked_and_spread_over_speakers() -> None:
    kept, rest = split_labeled(utterances(), (), 10 / 60, seed=1)
    assert len(kept) + len(rest) == 600
    assert 600 <= sum(u.duration for u in kept) < 615
    counts = {s: sum(u.speaker == s for u in kept) for s in {u.speaker for u in utterances()}}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_speaker_with_little_gives_all_of_it() -> None:
    rows = [*utterances(3, 30), Utterance("short", "x", 2.0, 0.0, "few")]
    assert "short" in drawn(rows, 0.1)


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    assert drawn(utterances(), 0.2) == drawn(utterances()[::-1], 0.2)
    assert drawn(utterances(), 0.2, seed=1) != drawn(utterances(), 0.2, seed=2)


def test_the_draw_is_the_same_on_every_machine() -> None:
    rows = [Utterance(f"{s}-{row}", "x", 6.0, 0.0, str(s)) for s in range(3) for row in range(10)]
    assert sorted(drawn(rows, 30 / 3600, seed=7)) == ["0-0", "0-2", "1-5", "1-9", "2-4"]


def test_more_hours_include_the_fewer() -> None:
    assert drawn(utterances(), 0.05) < drawn(utterances(), 0.2)


def test_hours_are_drawn_from_the_named_speakers() -> None:
    kept, rest = split_labeled(utterances(), ("3", "4"), 0.05, 0)
    assert {u.speaker for u in kept} == {"3", "4"}
    assert 180 <= sum(u.duration for u in kept) < 195
    assert len(kept) + len(rest) == 600


def test_a_speaker_who_does_not_occur_is_an_error() -> None:
    with pytest.raises(UserError, match="no utterance of '99'; speakers there are 0, 1"):
        split_labeled(utterances(), ("1", "99"), None, 0)


def test_more_hours_than_there_are_is_an_error() -> None:
    with pytest.raises(UserError, match=r"labeled_hours is 10, but only 1\.\d+ h"):
        split_labeled(utterances(), (), 10.0, 0)
