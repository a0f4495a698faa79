"""How far an error rate could lie elsewhere with other speakers: the bootstrap.

Utterances of one speaker err alike, so whole speakers are drawn, not utterances (Bisani & Ney, "Bootstrap
estimates for confidence intervals in ASR performance evaluation", ICASSP 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.score.wer import ErrorCounts


def group_totals(
    counts: Sequence[ErrorCounts], groups: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Errors and reference units of each group, `(groups,)` each, ordered by the group's name.

    Raises:
        ValueError: the two are not equally long.
    """
    if len(counts) != len(groups):
        raise ValueError(f"{len(counts)} utterances but {len(groups)} group names")
    rows = {name: row for row, name in enumerate(sorted(set(groups)))}
    errors, units = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    for count, name in zip(counts, groups, strict=True):
        errors[rows[name]] += count.errors
        units[rows[name]] += count.reference_length
    return errors, units


def draw_groups(groups: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each group is drawn in each resample, `(resamples, groups)`; rows add up to `groups`."""
    draws = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return draws.astype(np.int64, copy=False)


def bootstrap_interval(
    counts: Sequence[ErrorCounts],
    groups: Sequence[str],
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Lower and upper end of the error rate's percentile bootstrap interval.

    Args:
        counts: errors of each utterance.
        groups: the speaker of each utterance.
        seed: the same seed gives the same interval, in whatever order the utterances come.
        resamples: how many times as many groups as there are are drawn, with replacement.
        level: the share of resampled rates (errors over reference units, both summed) that lie inside.

    Returns:
        Two rates, 0.25 for 25 %. Both are NaN where there are fewer than two groups: a single speaker
        says nothing about others.

    Raises:
        ValueError: `counts` and `groups` are not equally long.
    """
    errors, units = group_totals(counts, groups)
    if len(errors) < 2:
        return math.nan, math.nan
    draws = draw_groups(len(errors), resamples, seed)
    rates = (draws @ errors) / np.maximum(draws @ units, 1)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
