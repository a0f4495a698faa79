from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from asr.config import DecodeConfig
from asr.decode.search import Weights
from asr.decode.tuning import TUNED_FILE, USUAL, Tuned, choose_weights, descend, find_tuned, read_tuned, write_tuned
from asr.errors import UserError

TUNED = Tuned("aa", "/lm.arpa", "", 1.3, -0.5, 0.2, "teacher", "dev-clean", 60, 1.5)


@pytest.mark.parametrize("lowest", [(0.8, 0.0, 0.0), (1.35, -2.2, 1.6), (0.0, 3.0, 0.0), (2.4, 1.0, 0.5)])
def test_the_walk_ends_near_the_lowest_point_of_a_bowl(lowest: tuple[float, float, float]) -> None:
    asked: list[Weights] = []

    def bowl(weights: Weights) -> float:
        asked.append(weights)
        weight, score, penalty = (at - best for at, best in zip(weights, lowest, strict=True))
        # A valley, along which words and blanks weigh each other up.
        return weight**2 + 0.2 * (score + penalty) ** 2 + 0.05 * penalty**2

    weights, wer = descend(bowl)
    assert weights.lm_weight == pytest.approx(lowest[0], abs=0.06)
    assert weights.word_score == pytest.approx(lowest[1], abs=0.3)
    assert weights.blank_penalty == pytest.approx(lowest[2], abs=0.3)
    assert wer == bowl(weights)
    assert len(set(asked)) == len(asked) - 1
    assert min(w.lm_weight for w in asked) >= 0 <= min(w.blank_penalty for w in asked)


def test_the_walk_follows_a_valley_along_which_all_three_change() -> None:
    """As in a search for words: a lower blank, a lower word score and a greater weight go together."""

    def valley(weights: Weights) -> float:
        along = (weights.lm_weight - 0.8) / 0.4
        across = (weights.word_score + along) ** 2 + (weights.blank_penalty - along) ** 2
        return across + 0.01 * (along - 3) ** 2

    weights, _ = descend(valley)
    assert weights == pytest.approx((2.0, -3.0, 3.0), abs=0.3)


def test_where_nothing_differs_the_usual_weights_stay() -> None:
    assert descend(lambda _: 0.5) == (USUAL, 0.5)


def test_a_step_of_0_leaves_the_word_score_alone() -> None:
    def bowl(weights: Weights) -> float:
        return (weights.lm_weight - 1.5) ** 2 + (weights.word_score - 1) ** 2 + (weights.blank_penalty - 1) ** 2

    assert descend(bowl, Weights(0.4, 0.0, 1.0)) == (Weights(1.5, 0.0, 1.0), 1.0)


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
    assert choose_weights(DecodeConfig(), None)[0] == USUAL
    assert choose_weights(DecodeConfig(), TUNED)[0] == (1.3, -0.5, 1.5)
    assert "60 utterances of dev-clean" in choose_weights(DecodeConfig(), TUNED)[1]
    assert choose_weights(DecodeConfig(lm_weight=0.0), TUNED)[0] == (0.0, -0.5, 1.5)
    assert choose_weights(DecodeConfig(blank_penalty=0.0), TUNED)[0] == (1.3, -0.5, 0.0)
    # A command that names two weights means what it meant when there were two.
    assert choose_weights(DecodeConfig(lm_weight=1.0, word_score=2.0), TUNED) == ((1.0, 2.0, 0.0), "weights as set")


def test_what_was_tuned_when_there_were_two_weights_is_read(tmp_path: Path) -> None:
    entry = dataclasses.asdict(TUNED)
    del entry["blank_penalty"]
    (tmp_path / TUNED_FILE).write_text(json.dumps([entry]))
    assert read_tuned(tmp_path)[0].weights == (1.3, -0.5, 0.0)
