"""Where a study's cells end: error rates on every dev subset, and how good their labels became."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.study.grid import Cell


@dataclass(frozen=True)
class Final:
    """The end of one cell. Rates are shares, not percent."""

    cell: Cell
    wer: dict[str, float]
    """Of the teacher, by dev subset."""
    label_wer: tuple[float, float] | None
    """Of the first and the last pseudo-labels logged; None where there were none, or no references."""


def read_final(cell: Cell, run_dir: Path) -> Final:
    """From a finished run's metrics."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["kind"] == "dev"][-1]
    labels = [line["label_wer"] for line in lines if line["kind"] == "train" and line["label_wer"] is not None]
    wer = {subset: float(scores["wer"]) for subset, scores in last["teacher"].items()}
    return Final(cell, wer, (labels[0], labels[-1]) if labels else None)


def _percent(values: Sequence[float]) -> str:
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} – {100 * max(values):.1f})"


def final_rows(finals: Sequence[Final]) -> list[list[str]]:
    """A table, its head first, with a row per panel and rule: mean over seeds, lowest and highest, in percent."""
    subsets = list(dict.fromkeys(subset for final in finals for subset in final.wer))
    errors = [f"{subset}: teacher's WER, %" for subset in subsets]
    rows = [["panel", "rule", "seeds", *errors, "label WER, %: first", "last"]]
    for (panel, rule), group in itertools.groupby(finals, key=lambda f: (f.cell.panel, f.cell.rule)):
        ends = list(group)
        labels = [end.label_wer for end in ends if end.label_wer is not None]
        rows.append([panel, rule, str(len(ends)), *(_percent([end.wer[s] for end in ends]) for s in subsets)])
        rows[-1] += [_percent([pair[i] for pair in labels]) if labels else "" for i in (0, 1)]
    return rows
