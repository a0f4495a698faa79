"""The scores of a run: big numbers on top, the whole table with its intervals further down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from asr.report.charts import linear_ticks, write_hours, write_value
from asr.report.markup import Content, element, table
from asr.report.record import RunRecord, Score


def _interval(score: Score) -> str:
    if math.isnan(score.wer_low) or math.isnan(score.wer_high):
        return "–"
    return f"{100 * score.wer_low:.1f} – {100 * score.wer_high:.1f}%"


def _figure(label: str, wer: float, notes: Sequence[str]) -> Element:
    return element(
        "div",
        element("p", label, class_="label"),
        element("p", write_value(wer, "percent"), class_="big"),
        *(element("p", note, class_="note") for note in notes),
        class_="figure",
    )


def headline(run: RunRecord) -> Element:
    """The teacher's WER per subset: as evaluated, or else as last seen while training."""
    figures: list[Element] = []
    for subset in run.subsets:
        rows = [s for s in run.scores if s.subset == subset]
        for score in [s for s in rows if s.model == "teacher"][:1]:
            student = [s for s in rows if s.model == "student" and s.decoder == score.decoder]
            notes = [f"95%: {_interval(score)}", f"{score.utterances} utterances, {score.words} words"]
            notes += [f"student: {write_value(s.wer, 'percent')}" for s in student]
            figures.append(_figure(f"teacher WER, {subset}", score.wer, notes))
    if not figures and run.evaluations:
        last = run.evaluations[-1]
        for subset, wer in last.wer.get("teacher", {}).items():
            notes = [f"while training, at {write_hours(last.hours)}"]
            figures.append(_figure(f"teacher WER, {subset}", wer, notes))
    if not figures:
        return element("p", "No WER has been measured yet.", class_="missing")
    return element("div", *figures, class_="figures")


def draw_whisker(low: float, wer: float, high: float, end: float, class_: str = "") -> Element:
    """A WER as a dot on its interval, on an axis from 0 to `end`, 120 pixels wide; what is NaN is left out."""
    drawing = element("svg", viewBox="0 0 120 16", class_=f"whisker {class_}".rstrip(), aria_hidden="true")
    low, wer, high = (4 + 112 * min(v / end, 1.0) for v in (low, wer, high))
    drawing.append(element("line", x1=4, x2=116, y1=8, y2=8, class_="rail"))
    if not math.isnan(low + high):
        drawing.append(element("line", x1=low, x2=high, y1=8, y2=8, class_="span"))
    if not math.isnan(wer):
        drawing.append(element("circle", cx=wer, cy=8, r=3.5))
    return drawing


def score_table(run: RunRecord) -> list[Element]:
    """Every score, with its interval, its kinds of errors and what it was measured on."""
    if not run.scores:
        sentence = "Not evaluated yet: stage 4 writes the scores that belong here."
        return [element("p", sentence, class_="missing")]
    highs = [v for s in run.scores for v in (s.wer, s.wer_high) if not math.isnan(v)]
    end = linear_ticks(min(max(highs, default=1.0), 1.0) or 1.0, 5)[-1]
    rows: list[list[Content]] = [
        [
            s.subset,
            s.model,
            s.decoder,
            element("b", write_value(s.wer, "percent")),
            _interval(s),
            draw_whisker(s.wer_low, s.wer, s.wer_high, end, s.model),
            "–" if math.isnan(s.cer) else write_value(s.cer, "percent"),
            f"{s.substitutions}",
            f"{s.deletions}",
            f"{s.insertions}",
            f"{s.words}",
            f"{s.utterances}",
        ]
        for s in sorted(run.scores, key=lambda s: run.subsets.index(s.subset))
    ]
    head = ["subset", "model", "decoder", "WER", "95% interval", f"0 – {100 * end:g}%", "CER"]
    head += ["sub.", "del.", "ins.", "words", "utterances"]
    note = (
        "Intervals: bootstrap over speakers, ratio of sums. A WER on a part of a corpus is not comparable "
        "with one on the whole: mind the number of utterances."
    )
    return [table(head, rows, class_="numbers scores"), element("p", note, class_="note")]
