"""Line charts as inline SVG, with the values under the pointer read out in the legend.

Coordinates are pixels of a 440 × 230 drawing that scales with the page; its text stays readable because
charts are laid side by side only where there is room.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from asr.report.markup import element

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 428, 14, 200
MOST_POINTS = 190


@dataclass(frozen=True)
class Series:
    """One line. `role` names its colour and dash in style.css; `points` marks each value with a dot."""

    name: str
    role: Literal["teacher", "student", "labeled", "pseudo"]
    hours: Sequence[float]
    values: Sequence[float]
    points: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over hours of audio seen. `top` fixes the upper end; lines above it run along the edge."""

    title: str
    description: str
    series: Sequence[Series]
    form: Literal["percent", "number"] = "percent"
    top: float | None = None
    logarithmic: bool = False


def write_value(value: float, form: Literal["percent", "number"]) -> str:
    return f"{100 * value:.1f}%" if form == "percent" else f"{value:.3g}"


def write_hours(hours: float) -> str:
    return f"{hours:.2f} h" if hours < 10 else f"{hours:.1f} h"


def round_step(span: float, steps: int) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that covers `span` in at most `steps` steps."""
    raw = span / steps
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw * (1 - 1e-9))


def linear_ticks(top: float, steps: int) -> list[float]:
    """Round numbers from 0 to at least `top`."""
    step = round_step(top, steps)
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of which the first is at most `low` and the last at least `high`; about six."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**p for p in powers for m in multiples]
        first = max((i for i, t in enumerate(ticks) if t <= low), default=0)
        last = next((i for i, t in enumerate(ticks) if t >= high), len(ticks) - 1)
        if last - first <= 6:
            break
    return ticks[first : last + 1]


def thin(hours: Sequence[float], values: Sequence[float], most: int = MOST_POINTS) -> tuple[list[float], list[float]]:
    """At most `most` points, each the mean of the neighbours it stands for."""
    per_point = max(math.ceil(len(hours) / most), 1)
    starts = range(0, len(hours), per_point)
    blocks = [(hours[i : i + per_point], values[i : i + per_point]) for i in starts]
    return [sum(h) / len(h) for h, _ in blocks], [sum(v) / len(v) for _, v in blocks]


def _value_axis(chart: Chart) -> list[float]:
    values = [v for s in chart.series for v in s.values]
    if chart.logarithmic and min(values) > 0 and max(values) > min(values):
        return log_ticks(min(values), max(values))
    return linear_ticks(chart.top or max(*values, 0.0) or 1.0, 5)


def _height(value: float, ticks: Sequence[float]) -> float:
    """Vertical position of a value, (pixels); an axis that does not start at 0 is logarithmic."""
    if ticks[0] > 0:
        share = math.log(max(value, ticks[0]) / ticks[0]) / math.log(ticks[-1] / ticks[0])
    else:
        share = value / ticks[-1]
    return BOTTOM - (BOTTOM - TOP) * min(max(share, 0.0), 1.0)


def _grid(ticks: Sequence[float], hour_ticks: Sequence[float], chart: Chart, hours: float) -> Element:
    grid = element("g", class_="grid")
    for tick in ticks:
        y = _height(tick, ticks)
        label = f"{100 * tick:g}%" if chart.form == "percent" else f"{tick:g}"
        grid.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y))
        grid.append(element("text", label, x=LEFT - 7, y=y + 4, text_anchor="end"))
    for tick in hour_ticks:
        if tick <= hours * (1 + 1e-9):
            x = LEFT + (RIGHT - LEFT) * tick / hours
            label = f"{tick:g}" + (" h" if tick == 0 else "")
            grid.append(element("text", label, x=x, y=BOTTOM + 18, text_anchor="middle"))
    return grid


def _start_mark(x: float) -> Element:
    label, anchor = ("pseudo-labels →", "start") if x < (LEFT + RIGHT) * 0.6 else ("← labeled only", "end")
    return element(
        "g",
        element("line", x1=x, x2=x, y1=TOP - 8, y2=BOTTOM),
        element("text", label, x=x + (5 if anchor == "start" else -5), y=TOP - 2, text_anchor=anchor),
        class_="start",
    )


def draw(chart: Chart, hours: float, start: float | None) -> Element:
    """A figure: title, drawing, legend with the last values.

    Args:
        chart: at least one of its series has a point.
        hours: where the horizontal axis ends, so that all charts of a run share it.
        start: where pseudo-labels start, in hours; None: they don't.
    """
    hours = hours or 1.0
    last = max(series.hours[-1] for series in chart.series if series.hours)
    ticks, hour_ticks = _value_axis(chart), linear_ticks(hours, 5)

    def across(hour: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(hour / hours, 1.0)

    drawing = element("svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", tabindex="0")
    drawing.append(element("title", chart.title))
    drawing.append(element("desc", chart.description))
    drawing.append(_grid(ticks, hour_ticks, chart, hours))
    drawing.append(element("text", "hours of audio seen", class_="axis", x=RIGHT, y=HEIGHT, text_anchor="end"))
    if start is not None:
        drawing.append(_start_mark(across(start)))
    lines: list[dict[str, list[float] | list[str]]] = []
    legend = element("figcaption", class_="legend")
    for series in chart.series:
        if not series.hours:
            continue
        xs, values = thin(series.hours, series.values)
        spots = [(round(across(x), 1), round(_height(v, ticks), 1)) for x, v in zip(xs, values, strict=True)]
        path = "M" + "L".join(f"{x:g},{y:g}" for x, y in spots)
        drawing.append(element("path", d=path, class_=f"line {series.role}"))
        if series.points:
            marks = (element("circle", cx=x, cy=y, r=2.6) for x, y in spots)
            drawing.append(element("g", *marks, class_=f"points {series.role}"))
        texts = [write_value(v, chart.form) for v in values]
        lines.append({"x": [x for x, _ in spots], "y": [y for _, y in spots], "text": texts})
        legend.append(
            element(
                "span",
                element("i", class_=f"swatch {series.role}"),
                f"{series.name} ",
                element("b", texts[-1], class_="value"),
                class_="entry",
            )
        )
    drawing.append(element("line", class_="cursor", x1=0, x2=0, y1=TOP - 8, y2=BOTTOM, visibility="hidden"))
    data = {"left": LEFT, "right": RIGHT, "width": WIDTH, "hours": hours, "lines": lines}
    return element(
        "figure",
        element("div", element("h3", chart.title), element("span", f"at {write_hours(last)}", class_="when")),
        legend,
        drawing,
        class_="chart",
        data_chart=json.dumps(data, separators=(",", ":")),
    )
