"""One run as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from asr.errors import UserError
from asr.report.aligned import draw_utterance, error_key, worst_utterances
from asr.report.charts import write_hours
from asr.report.curves import draw_curves
from asr.report.markup import Content, draw_page, element, section, table, write_page
from asr.report.record import RunRecord, read_run
from asr.report.results import headline, score_table
from asr.score.rates import UNITS

WORST_SHOWN = 10


def _header(run: RunRecord) -> Element:
    facts: list[tuple[str, str]] = []
    if run.batch_scale is not None:
        facts.append(("batch scale κ", f"{run.batch_scale:g}"))
    if "seed" in run.settings:
        facts.append(("seed", str(run.settings["seed"])))
    if run.train:
        facts.append(("steps", str(run.train[-1]["step"])))
    if run.hours:
        facts.append(("audio seen", write_hours(run.hours)))
    if run.pseudo_start is not None:
        facts.append(("pseudo-labels from", write_hours(run.pseudo_start)))
    pseudo = run.settings.get("pseudo", {})
    for maker, count in run.makers.items():
        facts.append(("pseudo-labels trained on", f"{count:,} by {maker}"))
    if run.pseudo_start is not None and not run.makers and "labels" in pseudo:
        facts.append(("pseudo-labels by", f"{pseudo['labels']}, {pseudo.get('search', 'greedy')}"))
    if "normaliser" in run.settings.get("corpus", {}):
        facts.append(("normaliser of texts", str(run.settings["corpus"]["normaliser"])))
    chips = [element("div", element("dt", name), element("dd", value)) for name, value in facts]
    return element("header", element("h1", run.name), element("dl", *chips, class_="facts"), headline(run))


def _scaling(run: RunRecord) -> list[Element]:
    if not run.scaling:
        return [element("p", "The run's folder holds no scaling plan.", class_="missing")]
    rows: list[list[Content]] = []
    for line in run.scaling:
        changed = line.base != line.scaled
        scaled = element("b", line.scaled, class_="changed") if changed else line.scaled
        rows.append([line.name, line.base, scaled, line.rule])
    here = "this run" if run.batch_scale is None else f"κ = {run.batch_scale:g}"
    return [table(["quantity", "κ = 1", here, "rule"], rows, class_="scaling")]


def _worst(run: RunRecord) -> list[Element]:
    """The worst utterances of the teacher, or of whichever model was evaluated."""
    models = sorted(run.hypotheses, key=lambda m: (m != "teacher", m))
    parts: list[Element] = []
    for subset in run.subsets:
        model = next((m for m in models if subset in run.hypotheses[m]), None)
        if model is None or subset not in run.references:
            continue
        phones = run.phones.get(model, {}).get(subset)
        references, hypotheses = phones or run.references[subset], run.hypotheses[model][subset]
        try:
            worst = worst_utterances(references, hypotheses, WORST_SHOWN)
        except UserError as error:
            raise UserError(f"{model} on {subset}: {error}") from None
        if not worst:
            parts.append(element("p", f"{subset}, {model}: all {len(references)} utterances are right."))
            continue
        title = f"{subset}, {model}: {len(worst)} worst of {len(references)} utterances"
        units = UNITS["per" if phones else "wer"]
        shown = element("ol", *(draw_utterance(utterance, units) for utterance in worst), class_="utterances")
        parts.append(element("details", element("summary", title), shown, open="open"))
    if not parts:
        return [element("p", "No hypotheses have been written yet.", class_="missing")]
    return [error_key(), *parts]


def _flatten(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            rows.append((f"{prefix}{key}", ", ".join(map(str, value)) or "–"))
        else:
            rows.append((f"{prefix}{key}", "–" if value is None or value == "" else str(value)))
    return rows


def _settings(run: RunRecord) -> list[Element]:
    if not run.settings:
        return [element("p", "The run's folder holds no settings.", class_="missing")]
    rows = _flatten(run.settings)
    grid = element("dl", class_="settings")
    for name, value in rows:
        grid.append(element("div", element("dt", name), element("dd", value)))
    return [element("details", element("summary", f"{len(rows)} settings, as written for κ = 1"), grid)]


def draw_report(run: RunRecord) -> Element:
    """The page's tree; `asr.report.markup.document` makes bytes of it."""
    body = [
        _header(run),
        section("Batch scaling", *_scaling(run)),
        section("Learning curves", *draw_curves(run)),
        section("Word error rates", *score_table(run)),
        section("Worst utterances", *_worst(run)),
        section("Settings", *_settings(run)),
    ]
    return draw_page(f"{run.name}: run report", body, ["style.css"], ["hover.js"])


def write_report(run_dir: Path, out: Path) -> None:
    """Write the report of the run in `run_dir` as one HTML file, aside and then renamed.

    Parts that the run has not come to yet are left out with a sentence that says so.

    Raises:
        UserError: `run_dir` is no run's folder, or a file in it is malformed.
    """
    write_page(draw_report(read_run(run_dir)), out)
