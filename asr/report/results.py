"""The scores of a run: big numbers on top, the whole table with its intervals further down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from asr.report.charts import linear_ticks, write_hours, write_value
from asr.report.markup import Content, element, table
from asr.report.record import RunRecord, Score
from asr.score.rates import UNITS, RateName


def _interval(score: Score) -> str:
    if math.isnan(score.low) or math.isnan(score.high):
        return "–"
    return f"{100 * score.low:.1f} – {100 * score.high:.1f}%"


def _figure(label: str, error: float, notes: Sequence[str]) -> Element:
    return element(
        "div",
        element("p", label, class_="label"),
        element("p", write_value(error, "percent"), class_="big"),
        *(element("p", note, class_="note") for note in notes),
        class_="figure",
    )


def headline(run: RunRecord) -> Element:
    """The teacher's errors per subset: as evaluated, in words where it was, or else as last seen while training."""
    figures: list[Element] = []
    for subset in run.subsets:
        rows = sorted((s for s in run.scores if s.subset == subset), key=lambda s: list(UNITS).index(s.rate))
        for score in [s for s in rows if s.model == "teacher"][:1]:
            student = [s for s in rows if s.model == "student" and s.decoder == score.decoder]
            notes = [f"95%: {_interval(score)}", f"{score.utterances} utterances, {score.length} {UNITS[score.rate]}"]
            notes += [f"student: {write_value(s.error, 'percent')}" for s in student]
            figures.append(_figure(f"teacher {score.rate.upper()}, {subset}", score.error, notes))
    if not figures and run.evaluations:
        last = run.evaluations[-1]
        for subset, error in last.errors.get("teacher", {}).items():
            notes = [f"while training, at {write_hours(last.hours)}"]
            figures.append(_figure(f"teacher {last.rate.upper()}, {subset}", error, notes))
    if not figures:
        return element("p", "No WER has been measured yet.", class_="missing")
    return element("div", *figures, class_="figures")


def draw_whisker(low: float, error: float, high: float, end: float, class_: str = "") -> Element:
    """An error rate as a dot on its interval, on an axis from 0 to `end`, 120 pixels wide; what is NaN is left out."""
    drawing = element("svg", viewBox="0 0 120 16", class_=f"whisker {class_}".rstrip(), aria_hidden="true")
    low, error, high = (4 + 112 * min(v / end, 1.0) for v in (low, error, high))
    drawing.append(element("line", x1=4, x2=116, y1=8, y2=8, class_="rail"))
    if not math.isnan(low + high):
        drawing.append(element("line", x1=low, x2=high, y1=8, y2=8, class_="span"))
    if not math.isnan(error):
        drawing.append(element("circle", cx=error, cy=8, r=3.5))
    return drawing


def score_table(run: RunRecord) -> list[Element]:
    """Every score, with its interval, its kinds of errors and what it was measured on."""
    if not run.scores:
        sentence = "Not evaluated yet: stage 4 writes the scores that belong here."
        if run.of_audio_alone:
            sentence = "The model was trained on audio alone and writes no text to be scored."
        return [element("p", sentence, class_="missing")]
    note = (
        "Intervals: bootstrap over speakers, ratio of sums. A rate on a part of a corpus is not comparable "
        "with one on the whole: mind the number of utterances."
    )
    by_rate: dict[RateName, list[Score]] = {rate: [s for s in run.scores if s.rate == rate] for rate in UNITS}
    tables = [_table_of(rate, scores, run.subsets) for rate, scores in by_rate.items() if scores]
    if by_rate["per"]:
        note += " PER: errors in phones, against the nearest way to say each reference that the lexicon has."
    return [*tables, element("p", note, class_="note")]


def _table_of(rate: RateName, scores: Sequence[Score], subsets: Sequence[str]) -> Element:
    highs = [v for s in scores for v in (s.error, s.high) if not math.isnan(v)]
    end = linear_ticks(min(max(highs, default=1.0), 1.0) or 1.0, 5)[-1]
    rows: list[list[Content]] = [
        [
            s.subset,
            s.model,
            s.decoder,
            element("b", write_value(s.error, "percent")),
            _interval(s),
            draw_whisker(s.low, s.error, s.high, end, s.model),
            "–" if math.isnan(s.cer) else write_value(s.cer, "percent"),
            f"{s.substitutions}",
            f"{s.deletions}",
            f"{s.insertions}",
            f"{s.length}",
            f"{s.utterances}",
        ]
        for s in sorted(scores, key=lambda s: subsets.index(s.subset))
    ]
    head = ["subset", "model", "decoder", rate.upper(), "95% interval", f"0 – {100 * end:g}%", "CER"]
    head += ["sub.", "del.", "ins.", UNITS[rate], "utterances"]
    return table(head, rows, class_="numbers scores")
