"""A study as one HTML page, and its tables as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from asr.report.markup import draw_page, element, section, table, write_page

MEANING = """A study asks whether training at another batch size is the same training. The band is what chance alone
does: runs of the base batch that differ in their seed. With the rules, a curve should lie in it, as far as κ allows:
a rule holds while a step of κ batches is still a small step, so the largest κ may leave it, most of all where little
audio has been seen and steps are few. Without the EMA rule the teacher at κ > 1 averages over κ times as much audio: it
lags behind the student, and its labels are worse for as long as it does."""


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
        element("header", element("h1", f"{name}: a study of batch scales")),
        section("Learning curves", element("img", src=picture, alt="WER against hours of audio", class_="figure")),
        section("What it means", element("p", MEANING)),
        section("Distance from the base run, in WER %", table(distances[0], distances[1:])),
        section("Where the runs end", table(finals[0], finals[1:])),
    ]
    write_page(draw_page(f"{name}: study", body, ["style.css"], []), out)
