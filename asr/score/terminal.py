"""A scoring as text for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asr.score.columns import Column
from asr.score.labels import shorten_names
from asr.score.scoring import Scoring
from asr.score.significance import FEWEST_GROUPS, FEWEST_SEGMENTS
from asr.score.table import format_scores

BOLD, PLAIN = "\033[1m", "\033[0m"
COLOURS = {"sub": "\033[33m", "del": "\033[34m", "ins": "\033[35m"}
GAP = "*"


def _width(text: str) -> int:
    """Columns that a text takes: East Asian characters two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _cell(word: str | None, kind: str, width: int, colour: bool) -> str:
    shown = GAP * width if word is None and kind else word or ""
    padding = " " * (width - _width(shown))
    return f"{COLOURS[kind]}{shown}{PLAIN}{padding}" if colour and kind else shown + padding


def _kind(reference: str | None, heard: str | None) -> str:
    if reference == heard:
        return ""
    return "ins" if reference is None else "del" if heard is None else "sub"


def format_columns(columns: Sequence[Column], names: Sequence[str], width: int, colour: bool) -> list[str]:
    """Words under each other, cut into blocks as wide as the terminal. Errors are coloured, or else in a last line.

    Args:
        columns: reference word first, then each hypothesis'.
        names: of the reference and the hypotheses.
        width: of the terminal, in columns.
        colour: write ANSI colours; without, each hypothesis is followed by a line with S, D and I.
    """
    margin = max(map(len, names)) + 2
    blocks: list[list[Column]] = [[]]
    used = margin
    for column in columns:
        wide = max(_width(word or GAP) for word in column) + 1
        if used + wide > width and blocks[-1]:
            blocks.append([])
            used = margin
        blocks[-1].append(column)
        used += wide
    lines: list[str] = []
    for block in blocks:
        wide_each = [max(_width(word or GAP) for word in column) for column in block]
        for row, name in enumerate(names):
            kinds = [_kind(column[0], column[row]) for column in block]
            if row == 0:
                kinds = ["ins" if column[0] is None else "" for column in block]
            cells = [
                _cell(column[row], kind, wide, colour)
                for column, kind, wide in zip(block, kinds, wide_each, strict=True)
            ]
            lines.append(f"{name + ':':<{margin}}" + " ".join(cells).rstrip())
            if row and not colour and any(kinds):
                marks = [f"{kind[:1].upper():<{wide}}" for kind, wide in zip(kinds, wide_each, strict=True)]
                lines.append(" " * margin + " ".join(marks).rstrip())
    return lines


def format_worst(scoring: Scoring, most: int, width: int, colour: bool) -> Iterator[str]:
    """The utterances with most errors, aligned."""
    rows = scoring.worst(most)
    if rows:
        yield _title(f"{len(rows)} utterances with most errors", colour)
    short = shorten_names([system.name for system in scoring.systems])
    for row in rows:
        found = [system.totals.counts(row) for system in scoring.systems]
        counts = ", ".join(f"{count.errors} in {count.reference_length}" for count in found)
        yield f"{scoring.utterances[row].id}  ({counts} words)"
        for systems, columns in scoring.blocks(row):
            yield from format_columns(columns, ["REF", *(short[s.name] for s in systems)], width, colour)
        yield ""


def _title(text: str, colour: bool) -> str:
    return f"{BOLD}{text}{PLAIN}" if colour else text


def format_confusions(system: Mapping[str, Any], most: int, colour: bool) -> Iterator[str]:
    """The most frequent errors of a system, in three columns."""
    arrow = " → "
    columns: list[list[str]] = []
    for kind, found in system["confusions"].items():
        cells = [f"{kind} ({system[kind]:,})"]
        cells += [f"{count:>5,}  {arrow.join(words)}" for *words, count in found[:most]]
        columns.append(cells)
    if not any(len(cells) > 1 for cells in columns):
        return
    yield _title(f"most frequent errors of {system['name']}", colour)
    widths = [max(map(_width, cells)) for cells in columns]
    for row in range(max(map(len, columns))):
        line = [cells[row] if row < len(cells) else "" for cells in columns]
        yield "   ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
    yield ""


def format_groups(summary: Mapping[str, Any], key: str, most: int, colour: bool) -> Iterator[str]:
    """The scores of each subset or speaker, for each system; of more than `most`, those with the highest WER."""
    names = list(summary["systems"][0][key])
    if len(names) < 2:
        return
    worst = sorted(names, key=lambda n: -sum(system[key][n]["wer"] for system in summary["systems"]))
    shown = worst[:most] if len(names) > most else names
    title = f"{len(names)} {key}" if len(shown) == len(names) else f"{len(shown)} of {len(names)} {key}, the worst"
    yield _title(title, colour)
    label = key[:-1]
    rows = [
        {label: name, "system": system["name"], **system[key][name]} for name in shown for system in summary["systems"]
    ]
    labels = [label] if len(summary["systems"]) == 1 else [label, "system"]
    yield format_scores(rows, labels)
    yield ""


def _write_p(p: float | None, count: int, fewest: int) -> str:
    """Count and fewest are of what the test stands on."""
    if p is None:
        return f"no p from fewer than {fewest}" if count < fewest else "no p, as all differ alike"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def format_comparisons(summary: Mapping[str, Any], colour: bool) -> Iterator[str]:
    """The difference of each two systems, its interval and two tests."""
    if not summary["comparisons"]:
        return
    yield _title("differences in WER, second minus first", colour)
    for pair in summary["comparisons"]:
        bootstrap, matched = pair["bootstrap"], pair["matched_pairs"]
        interval = ""
        if bootstrap["low"] is not None:
            interval = f" ({100 * bootstrap['low']:+.2f} … {100 * bootstrap['high']:+.2f})"
        yield f"{pair['first']}, {pair['second']}: {100 * bootstrap['difference']:+.2f} points{interval}"
        p = _write_p(bootstrap["p"], summary["speakers"], FEWEST_GROUPS)
        yield f"    paired bootstrap over {summary['speakers']:,} speakers: {p}"
        z = "" if matched["z"] is None else f", z = {matched['z']:+.2f}"
        p = _write_p(matched["p"], matched["segments"], FEWEST_SEGMENTS)
        yield f"    matched pairs, {matched['segments']:,} segments{z}: {p}"
    if len(summary["comparisons"]) > 1:
        yield "p is not corrected for the number of comparisons"
    yield ""


def format_header(summary: Mapping[str, Any]) -> str:
    """How the numbers came about, in one line."""
    normaliser, alignment = summary["normaliser"], summary["alignment"]
    over = f"{summary['speakers']:,} speakers"
    if summary["speakers"] == summary["systems"][0]["utterances"]:
        over = f"{summary['speakers']:,} utterances, as none share a speaker"
    return (
        f"normaliser: {normaliser}; alignment: {alignment}; "
        f"intervals: bootstrap over {over}, {summary['resamples']:,} resamples, seed {summary['seed']}"
    )


def format_scoring(
    scoring: Scoring, summary: Mapping[str, Any], most: Mapping[str, int], width: int, colour: bool
) -> str:
    """The whole report.

    Args:
        scoring: for the aligned texts.
        summary: its numbers, by `summarise_scoring`.
        most: how many `speakers`, `confusions` and `worst` utterances are shown.
        width: of the terminal, in columns.
        colour: write ANSI colours.
    """
    lines = [format_header(summary), "", format_scores(summary["systems"], ["name"]), ""]
    lines += format_comparisons(summary, colour)
    lines += format_groups(summary, "subsets", len(scoring.utterances), colour)
    if most["speakers"]:
        lines += format_groups(summary, "speakers", most["speakers"], colour)
    if most["confusions"]:
        for system in summary["systems"]:
            lines += format_confusions(system, most["confusions"], colour)
    if most["worst"]:
        lines += format_worst(scoring, most["worst"], width, colour)
    return "\n".join(lines).rstrip()
