"""Learning curves of a study's cells, and how far each lies from the baseline's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import UserError
from asr.score.rates import UNITS, RateName, find_rate
from asr.study.grid import BASELINE, Cell

Floats = npt.NDArray[np.float64]
MODELS = ("teacher", "student")


@dataclass(frozen=True)
class Curve:
    """Errors of one cell, mean over the dev subsets, at each evaluation."""

    cell: Cell
    hours: Floats
    """Audio consumed."""
    errors: dict[str, Floats]
    """By model."""
    rate: RateName = "wer"


def read_curve(cell: Cell, run_dir: Path) -> Curve:
    """From a run's metrics."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    dev = [line for line in lines if line["kind"] == "dev"]
    rate = find_rate(next((scores for line in dev for scores in line["teacher"].values()), {}))
    errors = {m: np.array([np.mean([s[rate] for s in line[m].values()]) for line in dev]) for m in MODELS}
    return Curve(cell, np.array([line["audio_hours"] for line in dev]), errors, rate)


def common_rate(curves: Sequence[Curve]) -> RateName:
    """What all curves count. Raises UserError where some count words and others phones."""
    by_rate: dict[RateName, Cell] = {}
    for curve in curves:
        by_rate.setdefault(curve.rate, curve.cell)
    if len(by_rate) > 1:
        what = ", ".join(f"{cell.panel} in {UNITS[rate]}" for rate, cell in by_rate.items())
        raise UserError(f"errors are counted {what}: give all cells of a study the same tokens.kind")
    return next(iter(by_rate))


@dataclass(frozen=True)
class Distance:
    """Of a panel's runs under one rule from the mean baseline, in errors; over seeds.

    mean: absolute difference, mean over the run, with its 95 % bootstrap interval over (seed, evaluation). Evaluations
        of a run are alike, so that the interval is narrower than that of other seeds would be.
    final: difference of where runs end, positive where the panel is worse. Under AdaScale they end later.
    band: what `mean` is for the baseline's own seeds, each against the mean of the others; None with a single one.
    """

    panel: str
    rule: str
    model: str
    seeds: int
    mean: float
    low: float
    high: float
    final: float
    band: float | None


def _at(curve: Curve, model: str, hours: Floats) -> Floats:
    return np.interp(hours, curve.hours, curve.errors[model])


def _gaps(curves: Sequence[Curve], others: Sequence[Curve], model: str, hours: Floats) -> Floats:
    """Differences from the mean of `others`, `(curves, hours)`."""
    reference = np.mean([_at(other, model, hours) for other in others], axis=0)
    return np.stack([_at(curve, model, hours) - reference for curve in curves])


def distances(curves: Sequence[Curve], after: float = 0.0, resamples: int = 2000) -> list[Distance]:
    """One per panel, rule and model.

    Args:
        curves: of all cells, the baseline's among them.
        after: compare from this hour of audio on, such as the start of pseudo-labels.
        resamples: of the bootstrap, seeded.

    Raises:
        UserError: not all count errors in the same units.
    """
    common_rate(curves)
    base = [c for c in curves if c.cell.panel == BASELINE]
    hours = base[0].hours[base[0].hours >= after]
    found: list[Distance] = []
    for (panel, rule), group in itertools.groupby(curves, key=lambda c: (c.cell.panel, c.cell.rule)):
        runs = list(group)
        for model in MODELS:
            band = [
                np.abs(_gaps([one], [o for o in base if o is not one], model, hours)).mean()
                for one in base
                if len(base) > 1
            ]
            gaps = _gaps(runs, base, model, hours)
            absolute = np.abs(gaps).ravel()
            draws = np.random.default_rng(0).integers(len(absolute), size=(resamples, len(absolute)))
            low, high = np.quantile(absolute[draws].mean(1), [0.025, 0.975])
            spread = float(np.mean(band)) if band else None
            final = float(
                np.mean([run.errors[model][-1] for run in runs]) - np.mean([one.errors[model][-1] for one in base])
            )
            mean = float(absolute.mean())
            found.append(Distance(panel, rule, model, len(runs), mean, float(low), float(high), final, spread))
    return found


def distance_rows(found: Sequence[Distance]) -> list[list[str]]:
    """A table, its head first, errors in percent."""
    head = ["panel", "rule", "model", "seeds", "mean absolute difference (95 % interval)", "final difference"]
    rows = [[*head, "seed band"]]
    for r in found:
        mean = f"{100 * r.mean:.1f} ({100 * r.low:.1f} – {100 * r.high:.1f})"
        band = "–" if r.band is None else f"{100 * r.band:.1f}"
        rows.append([r.panel, r.rule, r.model, str(r.seeds), mean, f"{100 * r.final:+.1f}", band])
    return rows
