"""Figures of studies, drawn by matplotlib as SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import UserError
from asr.study.curves import MODELS, Curve, common_rate
from asr.study.grid import BASELINE, WITH_RULES
from asr.study.parabola import Parabola, largest_distance
from asr.study.spectra import Spectra

COLOURS = ("#1f5fa8", "#c8551b", "#4c8a3a", "#7a4fa3")
STYLES = {"teacher": "-", "student": "--"}


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise UserError('figures need a package: pip install "kappa-asr[study]"') from None
    matplotlib.use("svg")
    # The same curves give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "kappa-asr", "font.size": 9, "axes.spines.top": False})
    matplotlib.rcParams.update({"axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25})
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})


def draw_panels(curves: Sequence[Curve], start: float | None, path: Path) -> None:
    """Errors against audio seen: a column per panel, a row per model, over the band of the baseline's seeds.

    Args:
        curves: of all cells, those of one panel and rule together.
        start: where pseudo-labels start, in hours of audio.
        path: the SVG file.
    """
    pyplot, rate = _pyplot(), common_rate(curves).upper()
    base = [c for c in curves if c.cell.panel == BASELINE]
    panels = list(dict.fromkeys(c.cell.panel for c in curves if c.cell.panel != BASELINE))
    rules = list(dict.fromkeys(c.cell.rule for c in curves))
    size = (2.7 * len(panels) + 0.6, 5.2)
    figure, axes = pyplot.subplots(2, len(panels), figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, model in enumerate(MODELS):
        values = np.stack([np.interp(base[0].hours, c.hours, c.errors[model]) for c in base])
        for column, panel in enumerate(panels):
            axis = axes[row][column]
            axis.fill_between(base[0].hours, 100 * values.min(0), 100 * values.max(0), color="0.8", lw=0)
            axis.plot(base[0].hours, 100 * values.mean(0), color="0.35", lw=1.2, label=f"{BASELINE}, all seeds")
            for curve in curves:
                if curve.cell.panel == panel:
                    colour = COLOURS[rules.index(curve.cell.rule) % len(COLOURS)]
                    first = curve.cell.seed == min(c.cell.seed for c in curves)
                    label = curve.cell.rule if first else None
                    axis.plot(curve.hours, 100 * curve.errors[model], color=colour, lw=1.2, label=label)
            if start is not None:
                axis.axvline(start, color="0.5", lw=0.7, ls=":")
            if row == 0:
                axis.set_title(textwrap.fill(panel, 18))
            else:
                axis.set_xlabel("hours of audio seen")
            if column == 0:
                axis.set_ylabel(f"{model} {rate}, %")
    axes[0][0].set_ylim(bottom=0)
    handles = {h.get_label(): h for axis in axes.flat for h in axis.get_legend_handles_labels()[0]}
    order = sorted(handles, key=lambda name: (name != f"{BASELINE}, all seeds", name != WITH_RULES))
    figure.legend(
        [handles[n] for n in order], order, loc="upper center", ncols=4, frameon=False, bbox_to_anchor=(0.5, 1.0)
    )
    _save(figure, path)
    pyplot.close(figure)


def draw_parabola(problem: Parabola, bound: float, path: Path) -> None:
    """Distance from the base run against κ, with and without the EMA rule, and where it passes `bound`."""
    pyplot = _pyplot()
    kappas = [2**n for n in range(1, 12)]
    figure, axis = pyplot.subplots(figsize=(5.2, 3.4))
    for rule, colour in ((True, COLOURS[0]), (False, COLOURS[1])):
        both = np.array([largest_distance(problem, kappa, rule) for kappa in kappas])
        for index, model in ((1, "teacher"), (0, "student")):
            name = f"{model}, {'with' if rule else 'without'} ρ^κ"
            if model == "teacher" or rule:
                axis.plot(kappas, both[:, index], STYLES[model], color=colour, marker="o", ms=3, lw=1.2, label=name)
    axis.axhline(bound, color="0.5", lw=0.7, ls=":")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel("κ")
    axis.set_ylabel("largest distance from κ = 1")
    axis.legend(frameon=False)
    _save(figure, path)
    pyplot.close(figure)


def draw_spectra(spectra: Sequence[Spectra], path: Path) -> None:
    """All singular values of each matrix in both models, in a panel of its own, over their rank's share."""
    pyplot = _pyplot()
    columns = min(4, len(spectra))
    rows = -(-len(spectra) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(2.6 * columns, 1.9 * rows), squeeze=False)
    for axis in axes.flat[len(spectra) :]:
        axis.set_visible(False)
    for axis, one in zip(axes.flat, spectra, strict=False):
        for values, name, colour in ((one.first, "first", COLOURS[0]), (one.second, "second", COLOURS[1])):
            axis.plot(np.arange(len(values)) / len(values), values, color=colour, lw=1.2, label=name)
        axis.set_title(one.name, fontsize=7)
        axis.set_yscale("log")
    axes[0][0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    _save(figure, path)
    pyplot.close(figure)
