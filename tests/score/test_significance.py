import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from asr.score.columns import merge_alignments
from asr.score.significance import MatchedPairs, cut_segments, matched_pairs, paired_bootstrap
from asr.score.texts import Method, Totals, align_texts

REFERENCES = [
    "the old man of the sea went home again at last",
    "go on",
    "one two three four five six seven",
    "a b c d",
    "x y z",
]
FIRST = [
    "the old men of a sea went home again at last",
    "go",
    "one too three four five six eleven",
    "a b c d e",
    "x y z",
]
SECOND = [
    "the oil man off the sea went home then again at last",
    "go on",
    "one two free four five sex seven",
    "a c d",
    "w w z q",
]


def test_segments_and_statistic_are_those_of_sc_stats() -> None:
    # sc_stats 1.3 (SCTK 2.4.10), -t mapsswe: 8 segments, mean -0.375 (first minus second), std dev 1.302, Z -0.814.
    segments = []
    for reference, *heard in zip(REFERENCES, FIRST, SECOND, strict=True):
        scored = [align_texts([reference], [text], Method("sclite"))[0][0].alignment for text in heard]
        segments += list(cut_segments(merge_alignments(scored)))
    assert (sum(a for a, _ in segments), sum(b for _, b in segments)) == (6, 9)
    found = matched_pairs(segments)
    assert (found.segments, found.mean) == (8, 0.375)
    assert found.z == pytest.approx(0.814, abs=5e-4)
    assert replace(found, segments=50).p == pytest.approx(2 * (1 - 0.7922), abs=1e-3)


def test_two_right_words_in_a_row_part_segments_and_one_does_not() -> None:
    wrong, right = ("a", "x", "a"), ("b", "b", "b")
    assert list(cut_segments([wrong, right, right, wrong])) == [(1, 0), (1, 0)]
    assert list(cut_segments([right, wrong, right, (None, None, "y"), right])) == [(1, 1)]
    assert list(cut_segments([right, right])) == []


def test_without_spread_there_is_no_statistic() -> None:
    assert matched_pairs([]) == MatchedPairs(0, 0.0, None)
    assert matched_pairs([(1, 0)]).z is None
    assert matched_pairs([(1, 0)] * 50).p is None


def test_few_segments_have_no_p() -> None:
    # By the normal approximation these two alone would be at p = 0.003.
    found = matched_pairs([(1, 0), (2, 0)])
    assert found.z == pytest.approx(-3)
    assert found.p is None
    assert matched_pairs([(1, 0), (2, 0), (0, 1)] * 3).p is None
    assert matched_pairs([(1, 0), (2, 0)] * 5).p is not None


def test_few_speakers_have_no_p_and_an_interval() -> None:
    first, second = systems((0.2, 0.15), 6)
    for speakers in (2, 5):
        rows = range(10 * speakers)
        found = paired_bootstrap(first.of(rows), second.of(rows), GROUPS[: 10 * speakers], 0, 100)
        assert found.low is not None
        assert found.p is None
    assert paired_bootstrap(first.of(range(60)), second.of(range(60)), GROUPS[:60], 0, 100).p is not None


def substituted(wrong: npt.NDArray[np.int64], words: int) -> Totals:
    """Utterances of so many words, with so many substitutions each."""
    none = np.zeros_like(wrong)
    return Totals(np.stack([wrong, none, none, words - wrong], axis=1), np.stack([none, none], axis=1))


def systems(rates: tuple[float, float], speakers: int = 30, seed: int = 1) -> tuple[Totals, ...]:
    """Two recognizers on 10 utterances of 20 words of each speaker."""
    rng = np.random.default_rng(seed)
    return tuple(substituted(rng.binomial(20, rate, 10 * speakers), 20) for rate in rates)


GROUPS = [str(row // 10) for row in range(300)]


def test_a_large_difference_is_significant_and_none_is_not() -> None:
    first, second = systems((0.2, 0.15))
    found = paired_bootstrap(first, second, GROUPS, 0, 1000)
    assert found.difference == pytest.approx(-0.05, abs=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.difference < found.high < 0
    assert found.p == pytest.approx(2 / 1001)
    same = paired_bootstrap(first, first, GROUPS, 0, 1000)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_swapping_the_systems_changes_the_sign_alone() -> None:
    first, second = systems((0.2, 0.19))
    there, back = paired_bootstrap(first, second, GROUPS, 0, 1000), paired_bootstrap(second, first, GROUPS, 0, 1000)
    assert back.p == there.p
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-(there.high or 0), -(there.low or 0)))


def test_between_equal_systems_p_is_below_a_twentieth_about_once_in_twenty_times() -> None:
    rare = [(paired_bootstrap(*systems((0.2, 0.2), 30, seed), GROUPS, 0, 300).p or 1.0) < 0.05 for seed in range(150)]
    assert 1 <= sum(rare) <= 18


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    # Speakers differ by far more than the systems do.
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 15, 30)
    first, second = substituted(hard + 1, 40), substituted(hard, 40)
    found = paired_bootstrap(first, second, [str(n) for n in range(30)], 0, 1000)
    assert found.difference == pytest.approx(-1 / 40)
    assert found.high == pytest.approx(-1 / 40)


def test_one_speaker_has_no_p() -> None:
    found = paired_bootstrap(*(substituted(np.array([wrong]), 1) for wrong in (1, 0)), ["a"], 0, 10)
    assert (found.difference, found.low, found.high, found.p) == (-1, None, None, None)
    assert not math.isnan(found.difference)
