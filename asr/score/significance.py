"""Whether two recognizers differ by more than chance, on the same utterances.

Paired bootstrap: Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP
2004. Matched-pair sentence-segment word error test (MAPSSWE): Gillick & Cox, "Some statistical issues in the
comparison of speech recognition algorithms", ICASSP 1989, with the segments of NIST's sc_stats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from asr.score.columns import Column
from asr.score.interval import group_totals, percentile_interval, resampled_rates
from asr.score.texts import Totals

GOOD_WORDS = 2
"""This many words in a row that both recognizers have right part two segments, as in sc_stats."""
FEWEST_GROUPS = 6
"""Speakers below which the bootstrap gives no p: between equal systems it was below 0.05 for half of all corpora of
two speakers, a fifth of four and a twelfth of eight."""
FEWEST_SEGMENTS = 10
"""Segments below which the matched-pair test gives no p: between equal systems it is below 0.05 for up to 20 %."""
FEW_SEGMENTS = 50
"""Below, the normal approximation is rough: of 15 segments p is below 0.05 for up to 13 %, of 30 for up to 7 %."""


@dataclass(frozen=True)
class PairedBootstrap:
    """The difference of two error rates, second minus first, as shares.

    `low` and `high` are None where there are fewer than two groups, `p` (two-sided, for no difference) where there
    are fewer than `FEWEST_GROUPS`.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class MatchedPairs:
    """Errors of the second recognizer minus those of the first, per segment.

    `z` is None where it cannot be told: fewer than two segments, or all differences alike.
    """

    segments: int
    mean: float
    z: float | None

    @property
    def p(self) -> float | None:
        """Two-sided, by the normal approximation; None below `FEWEST_SEGMENTS` too."""
        return None if self.z is None or self.segments < FEWEST_SEGMENTS else math.erfc(abs(self.z) / math.sqrt(2))


def paired_bootstrap(
    first: Totals, second: Totals, groups: Sequence[str], seed: int, resamples: int
) -> PairedBootstrap:
    """Compare error rates on the same draws of whole groups (speakers).

    p is twice the share of resamples on the rarer side of zero, itself counted to both; it is never below
    2 / (resamples + 1), as the data themselves are counted as a resample.
    """
    errors, units = (
        group_totals(np.stack(counts, axis=1), groups)
        for counts in ((first.errors, second.errors), (first.lengths, second.lengths))
    )
    rates = errors.sum(axis=0) / np.maximum(units.sum(axis=0), 1)
    difference = float(rates[1] - rates[0])
    if len(errors) < 2:
        return PairedBootstrap(difference, None, None, None)
    drawn = resampled_rates(errors, units, seed, resamples)
    differences = drawn[:, 1] - drawn[:, 0]
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (rarer + 1) / (resamples + 1)) if len(errors) >= FEWEST_GROUPS else None
    return PairedBootstrap(difference, *percentile_interval(differences), p)


def cut_segments(columns: Sequence[Column]) -> Iterator[tuple[int, int]]:
    """Errors of both recognizers in each stretch of an utterance between words that both have right.

    Args:
        columns: reference word, word of the first recognizer, word of the second.
    """
    first = second = good = 0
    for reference, one, other in columns:
        if one == reference == other:
            good += 1
            continue
        if good >= GOOD_WORDS and first + second:
            yield first, second
            first = second = 0
        good = 0
        first, second = first + (one != reference), second + (other != reference)
    if first + second:
        yield first, second


def matched_pairs(segments: Iterable[tuple[int, int]]) -> MatchedPairs:
    """The test on the errors of both recognizers in each segment."""
    differences = np.array([second - first for first, second in segments], dtype=np.float64)
    if len(differences) == 0:
        return MatchedPairs(0, 0.0, None)
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    z = mean / (spread / math.sqrt(len(differences))) if spread else None
    return MatchedPairs(len(differences), mean, z)
