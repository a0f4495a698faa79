"""A scoring as one HTML page: numbers on top, every utterance below, aligned, to page through and search."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from asr.report.aligned import error_key
from asr.report.charts import linear_ticks, write_value
from asr.report.markup import Content, draw_page, element, section, table, write_page
from asr.report.results import draw_whisker
from asr.score.labels import shorten_names
from asr.score.scoring import Scoring
from asr.score.significance import FEWEST_GROUPS, FEWEST_SEGMENTS
from asr.score.summary import KINDS

ERRORS_SHOWN = 12
NUMBERS = ("sub.", "del.", "ins.", "words", "utterances")


def _percent(share: float) -> str:
    return write_value(share, "percent")


def _points(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "−")


def _interval(scores: Mapping[str, Any]) -> str:
    if scores["wer_low"] is None:
        return "–"
    return f"{100 * scores['wer_low']:.1f} – {100 * scores['wer_high']:.1f}%"


def _header(scoring: Scoring, summary: Mapping[str, Any]) -> Element:
    facts = [
        ("reference", scoring.reference),
        ("normaliser", scoring.normaliser),
        ("alignment", str(scoring.method)),
        ("utterances", f"{len(scoring.utterances):,}"),
        ("speakers", f"{summary['speakers']:,}"),
    ]
    chips = [element("div", element("dt", name), element("dd", value)) for name, value in facts]
    figures = [
        element(
            "div",
            element("p", f"WER, {system['name']}", class_="label"),
            element("p", _percent(system["wer"]), class_="big"),
            element("p", f"95%: {_interval(system)}", class_="note"),
            element("p", f"CER {_percent(system['cer'])}", class_="note"),
            element("p", f"{_percent(system['sentence_error_rate'])} of utterances have an error", class_="note"),
            class_="figure",
        )
        for system in summary["systems"]
    ]
    warnings = [element("p", f"⚠ {warning}", class_="warning") for warning in summary["warnings"]]
    return element(
        "header",
        element("h1", "Word errors"),
        element("dl", *chips, class_="facts"),
        *warnings,
        element("div", *figures, class_="figures"),
    )


def _score_table(label: str, rows: Sequence[tuple[str, str, Mapping[str, Any]]], several: bool) -> Element:
    """Rows of (name, system, scores). Their axis ends at the highest rate or end of an interval."""
    highest = max((v for _, _, s in rows for v in (s["wer"], s["wer_high"] or 0.0)), default=1.0)
    end = linear_ticks(min(highest, 1.0) or 1.0, 5)[-1]
    body: list[list[Content]] = []
    for name, system, s in rows:
        low, high = (math.nan if s[key] is None else s[key] for key in ("wer_low", "wer_high"))
        counts = [s["substitutions"], s["deletions"], s["insertions"], s["words"], s["utterances"]]
        body.append(
            [
                name,
                *([system] if several else []),
                element("b", _percent(s["wer"])),
                _interval(s),
                draw_whisker(low, s["wer"], high, end),
                _percent(s["cer"]),
                _percent(s["sentence_error_rate"]),
                *(f"{count:,}" for count in counts),
            ]
        )
    head = [
        label,
        *(["system"] if several else []),
        "WER",
        "95% interval",
        f"0 – {100 * end:g}%",
        "CER",
        "wrong utt.",
        *NUMBERS,
    ]
    return table(head, body, class_="numbers scored several" if several else "numbers scored")


def _groups(summary: Mapping[str, Any], key: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    systems = summary["systems"]
    return [(name, system["name"], system[key][name]) for name in systems[0][key] for system in systems]


def _scores(summary: Mapping[str, Any]) -> list[Element]:
    several = len(summary["systems"]) > 1
    parts = [_score_table("system", [(s["name"], "", s) for s in summary["systems"]], several=False)]
    for key, title in (("subsets", "subset"), ("speakers", "speaker")):
        rows = _groups(summary, key)
        count = len(summary["systems"][0][key])
        if count > 1:
            shown = _score_table(title, rows, several)
            parts.append(element("details", element("summary", f"{count:,} {key}"), shown))
    note = (
        f"Intervals: bootstrap over speakers, ratio of sums, {summary['resamples']:,} resamples, "
        f"seed {summary['seed']}. Error counts are in words."
    )
    return [*parts, element("p", note, class_="note")]


def _write_p(p: float | None, count: int, fewest: int) -> str:
    """Count and fewest are of what the test stands on."""
    if p is None:
        return f"none below {fewest}" if count < fewest else "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _comparisons(summary: Mapping[str, Any]) -> list[Element]:
    rows: list[list[Content]] = []
    for pair in summary["comparisons"]:
        drawn, matched = pair["bootstrap"], pair["matched_pairs"]
        interval = "–" if drawn["low"] is None else f"{_points(drawn['low'])} … {_points(drawn['high'])}"
        rows.append(
            [
                f"{pair['first']} → {pair['second']}",
                element("b", _points(drawn["difference"])),
                interval,
                _write_p(drawn["p"], summary["speakers"], FEWEST_GROUPS),
                _write_p(matched["p"], matched["segments"], FEWEST_SEGMENTS),
                f"{matched['segments']:,}",
            ]
        )
    head = ["systems", "points of WER", "95% interval", "p, paired bootstrap", "p, matched pairs", "segments"]
    note = (
        "Two-sided, for no difference; not corrected for the number of comparisons. "
        f"The bootstrap needs {FEWEST_GROUPS} speakers for p, the matched pairs {FEWEST_SEGMENTS} segments with errors."
    )
    return [table(head, rows, class_="numbers compared"), element("p", note, class_="note")]


def _error_list(system: int, kind: str, title: str, count: int, found: Sequence[Sequence[Any]]) -> Element:
    rows: list[Element] = []
    for *words, times in found[:ERRORS_SHOWN]:
        error = {"system": system, "kind": kind, "words": words}
        button = element("button", " → ".join(words), type="button", data_error=json.dumps(error))
        rows.append(element("li", element("span", f"{times:,}", class_="times"), button))
    return element("div", element("h3", f"{title} ({count:,})"), element("ol", *rows), class_=f"errors {kind}")


def _confusions(summary: Mapping[str, Any]) -> list[Element]:
    parts: list[Element] = []
    for row, system in enumerate(summary["systems"]):
        lists = [
            _error_list(row, kind, title, system[title], system["confusions"][title]) for kind, title in KINDS.items()
        ]
        shown = element("div", *lists, class_="confusions")
        if len(summary["systems"]) == 1:
            return [shown]
        opened = {"open": "open"} if row == 0 else {}
        parts.append(element("details", element("summary", system["name"]), shown, **opened))
    return parts


def utterance_data(scoring: Scoring) -> str:
    """What the page's script draws, as JSON that may stand within a script element.

    Each utterance is `[id, speaker, blocks]`. A block is `[systems, columns]`, for the numbers of those systems
    that read the reference alike; a column is a word that all have right, or else the list of words one above the
    other, null for none. Where all is right, the text stands in place of the blocks.
    """
    numbers = {system.name: number for number, system in enumerate(scoring.systems)}
    utterances: list[list[Any]] = []
    for row, utterance in enumerate(scoring.utterances):
        texts = [system.texts[row] for system in scoring.systems]
        blocks: Any = texts[0].reference
        if any(text.errors for text in texts) or len({text.reference for text in texts}) > 1:
            blocks = [
                [
                    [numbers[system.name] for system in systems],
                    [column[0] if len(set(column)) == 1 else column for column in columns],
                ]
                for systems, columns in scoring.blocks(row)
            ]
        utterances.append([utterance.id, utterance.speaker, blocks])
    # Labels, beside the words, are names cut short where these stay different.
    names = [system.name for system in scoring.systems]
    data = {"systems": names, "labels": list(shorten_names(names).values()), "utterances": utterances}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _choice(label: str, name: str, options: Sequence[tuple[str, str]]) -> Element:
    shown = [element("option", text, value=value) for value, text in options]
    return element("label", label, " ", element("select", *shown, name=name))


def _utterances(scoring: Scoring) -> list[Content]:
    names = [system.name for system in scoring.systems]
    speakers = list(scoring.groups(lambda utterance: utterance.speaker))
    shown = [("wrong", "with errors"), ("all", "all"), ("right", "without errors")]
    if len(names) > 1:
        shown.append(("differ", "where systems differ"))
    controls: list[Content] = [
        element("input", type="search", name="words", placeholder="words or id", aria_label="Search"),
        _choice("show", "show", shown),
        _choice("order", "order", [("errors", "most errors"), ("rate", "highest WER"), ("file", "as in the file")]),
    ]
    if 1 < len(speakers) < len(scoring.utterances):
        options = [("", "all"), *((name, name) for name in speakers)]
        controls.append(_choice("speaker", "speaker", options))
    if len(names) > 1:
        options = [("", "all"), *((str(number), name) for number, name in enumerate(names))]
        controls.append(_choice("errors of", "system", options))
    controls.append(element("button", type="button", class_="only", hidden="hidden"))
    pager = element(
        "p",
        element("button", "‹ previous", type="button", class_="previous"),
        element("span", class_="where", aria_live="polite"),
        element("button", "next ›", type="button", class_="next"),
        class_="pager",
    )
    return [
        element("form", *controls, class_="controls"),
        error_key(),
        pager,
        element("ol", class_="utterances"),
        element("noscript", element("p", "Utterances are drawn by a script, which is switched off here.")),
        element("script", utterance_data(scoring), type="application/json", id="utterances"),
    ]


def draw_score_page(scoring: Scoring, summary: Mapping[str, Any]) -> Element:
    """The page's tree, from a scoring and its numbers by `asr.score.summary.summarise_scoring`."""
    names = ", ".join(system.name for system in scoring.systems)
    body = [
        _header(scoring, summary),
        section("Scores", *_scores(summary)),
        section("Differences", *_comparisons(summary)) if summary["comparisons"] else None,
        section("Most frequent errors", *_confusions(summary)),
        section("Utterances", *_utterances(scoring)),
    ]
    return draw_page(f"Word errors of {names}", body, ["style.css", "score_page.css"], ["score_page.js"])


def write_score_page(scoring: Scoring, summary: Mapping[str, Any], out: Path) -> None:
    """Write the page as one HTML file, aside and then renamed."""
    write_page(draw_score_page(scoring, summary), out)
