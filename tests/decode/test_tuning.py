from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from asr.config import DecodeConfig
from asr.decode.tuning import TUNED_FILE, USUAL, Tuned, choose_weights, descend, find_tuned, read_tuned, write_tuned
from asr.errors import UserError

TUNED = Tuned("aa", "/lm.arpa", "", 1.3, -0.5, 0.2, "teacher", "dev-clean", 60)


@pytest.mark.parametrize("lowest", [(0.8, 0.0), (1.35, -2.2), (0.0, 3.0), (2.4, 1.0)])
def test_the_walk_ends_near_the_lowest_point_of_a_bowl(lowest: tuple[float, float]) -> None:
    asked: list[tuple[float, float]] = []

    def bowl(weight: float, score: float) -> float:
        asked.append((weight, score))
        return (weight - lowest[0]) ** 2 + 0.2 * (score - lowest[1]) ** 2

    (weight, score), wer = descend(bowl)
    assert weight == pytest.approx(lowest[0], abs=0.06)
    assert score == pytest.approx(lowest[1], abs=0.15)
    assert wer == bowl(weight, score)
    assert len(set(asked)) == len(asked) - 1
    assert min(w for w, _ in asked) >= 0


def test_where_nothing_differs_the_usual_weights_stay() -> None:
    assert descend(lambda *_: 0.5) == (USUAL, 0.5)


def test_a_step_of_0_leaves_the_word_score_alone() -> None:
    assert descend(lambda weight, score: (weight - 1.5) ** 2 + score**2, (0.4, 0.0)) == ((1.5, 0.0), 0.0)


def test_what_was_tuned_is_found_by_language_model_and_lexicon(tmp_path: Path) -> None:
    assert read_tuned(tmp_path) == []
    other = dataclasses.replace(TUNED, lm_sha256="bb")
    newer = dataclasses.replace(TUNED, lm_weight=0.9)
    for tuned in (TUNED, other, newer):
        write_tuned(tmp_path, tuned)
    assert read_tuned(tmp_path) == [other, newer]
    assert find_tuned(tmp_path, "aa", "") == newer
    assert find_tuned(tmp_path, "aa", "none") is None
    (tmp_path / TUNED_FILE).write_text('[{"lm": 1}]')
    with pytest.raises(UserError, match="tune again"):
        read_tuned(tmp_path)


def test_settings_come_before_tuning_and_tuning_before_what_is_usual() -> None:
    assert choose_weights(DecodeConfig(), None)[:2] == USUAL
    assert choose_weights(DecodeConfig(), TUNED)[:2] == (1.3, -0.5)
    assert "60 utterances of dev-clean" in choose_weights(DecodeConfig(), TUNED)[2]
    assert choose_weights(DecodeConfig(lm_weight=0.0), TUNED)[:2] == (0.0, -0.5)
    assert choose_weights(DecodeConfig(lm_weight=1.0, word_score=2.0), TUNED) == (1.0, 2.0, "weights as set")
