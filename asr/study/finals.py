"""Where a study's cells end: error rates on every dev subset, and how good their labels became."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.score.rates import RateName, find_rate
from asr.study.grid import Cell


@dataclass(frozen=True)
class Final:
    """The end of one cell. Rates are shares, not percent."""

    cell: Cell
    rate: RateName
    errors: dict[str, float]
    """The teacher's rate, by dev subset."""
    label_errors: tuple[float, float] | None
    """Of the first and the last pseudo-labels logged; None where there were none, or no references."""

    @property
    def mean_error(self) -> float:
        """Over dev subsets."""
        return float(np.mean(list(self.errors.values())))


def read_final(cell: Cell, run_dir: Path) -> Final:
    """From a finished run's metrics."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["kind"] == "dev"][-1]
    rate = find_rate(next(iter(last["teacher"].values()), {}))
    label = f"label_{rate}"
    labels = [line[label] for line in lines if line["kind"] == "train" and line.get(label) is not None]
    errors = {subset: float(scores[rate]) for subset, scores in last["teacher"].items()}
    return Final(cell, rate, errors, (labels[0], labels[-1]) if labels else None)


def _percent(values: Sequence[float]) -> str:
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} – {100 * max(values):.1f})"


LABELED_ONLY = ('pseudo.labels="none"',)
TRUE_TEXT = ('pseudo.labels="oracle"',)


def _mean_errors(finals: Sequence[Final], settings: tuple[str, ...]) -> dict[int, float]:
    """Mean rate over subsets, by seed, of the panel that these settings alone make."""
    return {f.cell.seed: f.mean_error for f in finals if f.cell.overrides == (f"seed={f.cell.seed}", *settings)}


def _ways(finals: Sequence[Final], ends: Sequence[Final]) -> list[float]:
    """How far each of `ends` has come from labeled audio alone to true text, of the same seed; 0 to 1, or beyond."""
    low, high = _mean_errors(finals, LABELED_ONLY), _mean_errors(finals, TRUE_TEXT)
    known = [end for end in ends if low.get(end.cell.seed, 0.0) > high.get(end.cell.seed, math.inf)]
    return [(low[end.cell.seed] - end.mean_error) / (low[end.cell.seed] - high[end.cell.seed]) for end in known]


def final_rows(finals: Sequence[Final]) -> list[list[str]]:
    """A table, its head first, with a row per panel and rule: mean over seeds, lowest and highest, in percent.

    Where a panel is of labeled audio alone and another of true text, rows say how far from one to the other they come.
    """
    subsets = list(dict.fromkeys(subset for final in finals for subset in final.errors))
    rate = "/".join(dict.fromkeys(final.rate.upper() for final in finals))
    errors = [f"{subset}: teacher's {rate}, %" for subset in subsets]
    rows = [["panel", "rule", "seeds", *errors, f"label {rate}, %: first", "last"]]
    way = bool(_ways(finals, finals))
    rows[0] += ["of the way from labeled audio alone to true text, %"] if way else []
    for (panel, rule), group in itertools.groupby(finals, key=lambda f: (f.cell.panel, f.cell.rule)):
        ends = list(group)
        labels = [end.label_errors for end in ends if end.label_errors is not None]
        rows.append([panel, rule, str(len(ends)), *(_percent([end.errors[s] for end in ends]) for s in subsets)])
        rows[-1] += [_percent([pair[i] for pair in labels]) if labels else "" for i in (0, 1)]
        if way:
            ways = _ways(finals, ends)
            rows[-1].append(_percent(ways) if ways else "")
    return rows
