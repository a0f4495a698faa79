import json
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.report.charts import MOST_POINTS, Chart, Series, draw, linear_ticks, log_ticks, thin

positive = st.floats(1e-9, 1e9)


def chart(hours: list[float], values: list[float], **options: object) -> Chart:
    return Chart("t", "d", [Series("s", "teacher", hours, values)], **options)  # type: ignore[arg-type]


def line(figure: Element) -> tuple[list[float], list[float]]:
    data = json.loads(figure.get("data-chart", ""))["lines"][0]
    return data["x"], data["y"]


@given(positive)
def test_linear_ticks_are_few_round_and_reach_the_top(top: float) -> None:
    ticks = linear_ticks(top, 5)
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 6
    assert ticks[-1] >= top * (1 - 1e-6)
    assert ticks[-2] < top


@given(positive, positive)
def test_logarithmic_ticks_enclose_the_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = log_ticks(low, high)
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)


def test_thinning_keeps_the_mean_and_bounds_the_points() -> None:
    values = [float(i % 7) for i in range(7 * 600)]
    hours, thinned = thin([float(i) for i in range(len(values))], values)
    assert len(hours) <= MOST_POINTS
    assert sum(thinned) / len(thinned) == pytest.approx(3, abs=0.05)
    assert hours == sorted(hours)
    assert thin([1.0, 2.0], [5.0, 6.0]) == ([1.0, 2.0], [5.0, 6.0])


def test_a_line_lies_where_its_values_are() -> None:
    xs, ys = line(draw(chart([0, 5, 10], [0, 0.5, 1], top=1.0), 10, None))
    assert xs == [48, 238, 428]
    assert ys == [200, 107, 14]


def test_values_above_the_top_run_along_the_edge() -> None:
    figure = draw(chart([0, 10], [3.0, 0.5], top=1.0), 10, None)
    assert line(figure)[1] == [14, 107]
    assert json.loads(figure.get("data-chart", ""))["lines"][0]["text"] == ["300.0%", "50.0%"]


def test_a_loss_is_drawn_by_its_logarithm() -> None:
    ys = line(draw(chart([0, 5, 10], [1, 10, 100], form="number", logarithmic=True), 10, None))[1]
    assert ys == [200, 107, 14]


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [2.5], [5.0, 5.0], [-1.0], [-1.0, 0.0], [1e-12]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_flat_and_single_values_are_drawn(values: list[float], logarithmic: bool) -> None:
    figure = draw(chart([1.0] * len(values), values, form="number", logarithmic=logarithmic), 0.0, 1.0)
    xs, ys = line(figure)
    assert all(48 <= x <= 428 for x in xs)
    assert all(14 <= y <= 200 for y in ys)


def test_a_series_without_values_is_left_out_of_the_legend() -> None:
    both = Chart("t", "d", [Series("here", "teacher", [1], [1]), Series("absent", "student", [], [])])
    legend = draw(both, 1, None).find("figcaption")
    assert legend is not None
    assert "".join(legend.itertext()) == "here 100.0%"


@pytest.mark.parametrize(("start", "label"), [(2.0, "pseudo-labels →"), (9.0, "← labeled only")])
def test_the_mark_of_pseudo_labels_names_the_side_with_room(start: float, label: str) -> None:
    mark = draw(chart([0, 10], [0, 1]), 10, start).find("svg/g[@class='start']")
    assert mark is not None
    assert "".join(mark.itertext()) == label
