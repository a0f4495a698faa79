from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.errors import UserError
from asr.study.curves import Curve, distance_rows, distances, read_curve
from asr.study.figure import draw_panels
from asr.study.grid import BASELINE, WITH_RULES, Cell
from asr.study.page import markdown

HOURS = np.arange(1.0, 11.0)


def curve(panel: str, rule: str, seed: int, offset: float) -> Curve:
    wer = 0.9 * np.exp(-HOURS / 5) + offset
    return Curve(Cell(panel, rule, seed, ()), HOURS, {"teacher": wer, "student": wer + 0.1})


CURVES = [
    curve(BASELINE, WITH_RULES, 1, 0.00),
    curve(BASELINE, WITH_RULES, 2, 0.02),
    curve("κ = 4", WITH_RULES, 1, 0.01),
    curve("κ = 4", WITH_RULES, 2, 0.03),
    curve("κ = 4", "without the EMA rule", 1, 0.21),
]


def test_distances_are_means_of_absolute_differences_with_intervals_and_the_seeds_own_spread() -> None:
    rows = {(r.panel, r.rule, r.model): r for r in distances(CURVES)}
    with_rules = rows["κ = 4", WITH_RULES, "teacher"]
    assert with_rules.mean == pytest.approx(0.01)
    assert with_rules.final == pytest.approx(0.01)
    assert with_rules.band == pytest.approx(0.02)
    assert with_rules.low < with_rules.mean < with_rules.high
    assert rows["κ = 4", "without the EMA rule", "student"].mean == pytest.approx(0.2)
    assert "| κ = 4 | without the EMA rule | teacher | 1 | 20.0 (20.0 – 20.0) | +20.0 | 2.0 |" in markdown(
        distance_rows(list(rows.values()))
    )


def test_errors_in_words_and_in_phones_are_not_compared() -> None:
    phones = Curve(Cell("phones", WITH_RULES, 1, ()), HOURS, CURVES[0].errors, "per")
    with pytest.raises(UserError, match="κ = 1 in words, phones in phones"):
        distances([*CURVES, phones])


def test_curves_on_other_points_of_audio_are_compared_at_the_baseline_s() -> None:
    coarse = curve("κ = 8", WITH_RULES, 1, 0.0)
    coarse = Curve(coarse.cell, HOURS[1::2], {m: v[1::2] for m, v in coarse.errors.items()})
    rows = distances([CURVES[0], coarse], after=2.0)
    assert rows[-1].mean < 0.01
    assert rows[-1].band is None


def test_a_curve_is_read_from_metrics_on_the_axis_of_audio_consumed(tmp_path: Path) -> None:
    scores = {"a": {"wer": 0.2}, "b": {"wer": 0.4}}
    lines = [
        {"kind": "train", "step": 1},
        {"kind": "dev", "step": 1, "hours": 1.0, "audio_hours": 2.0, "teacher": scores, "student": scores},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_curve(CURVES[0].cell, tmp_path)
    assert found.hours.tolist() == [2.0]
    assert found.errors["teacher"] == pytest.approx([0.3])


def test_the_figure_is_the_same_file_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        draw_panels(CURVES, 2.0, tmp_path / name)
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "two.svg").read_bytes()
    assert b"<svg" in one


def test_a_run_that_goes_on_for_longer_is_compared_by_where_it_ends() -> None:
    """As AdaScale's do: their steps are worth less than the audio that they take."""
    longer = Curve(Cell("AdaScale", WITH_RULES, 1, ()), 2 * HOURS, dict(CURVES[0].errors))
    assert distances([CURVES[0], longer])[-1].final == 0.0
