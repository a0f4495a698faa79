"""A study as one HTML page, and its tables as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from asr.report.markup import draw_page, element, section, table, write_page

HOW_TO_READ = """The band is what chance alone does: runs of the base settings that differ in their seed. A curve that
lies in it cannot be told from the base run; one that leaves it is another training. For batch scales the question is
whether the rules keep the curve in the band, and at which κ they no longer do; the row without a rule shows what that
rule is for. Distances are means over all evaluations since pseudo-labels began."""


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def write_study_page(
    name: str, finals: Sequence[Sequence[str]], distances: Sequence[Sequence[str]], figure: Path, out: Path
) -> None:
    """Write the page, aside and then renamed.

    Args:
        name: of the study.
        finals: where the cells end, the table's head first.
        distances: of each panel from the baseline, the table's head first.
        figure: an SVG file, which becomes part of the page.
        out: the HTML file.
    """
    picture = "data:image/svg+xml;base64," + base64.b64encode(figure.read_bytes()).decode()
    body = [
        element("header", element("h1", f"{name}: a study")),
        section(
            "Learning curves", element("img", src=picture, alt="error rate against hours of audio", class_="figure")
        ),
        section("How to read it", element("p", HOW_TO_READ)),
        section("Distance from the base runs, in points", table(distances[0], distances[1:])),
        section("Where the runs end", table(finals[0], finals[1:])),
    ]
    write_page(draw_page(f"{name}: study", body, ["style.css"], []), out)
