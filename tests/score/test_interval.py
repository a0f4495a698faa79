import math

import numpy as np
import pytest

from asr.score.interval import IntArray, bootstrap_interval


def utterances(speakers: int, each: int, spread: float) -> tuple[IntArray, IntArray, list[str]]:
    """Utterances of 20 words at a mean WER of 0.3, where the speakers' own WERs differ by `spread`."""
    rng = np.random.default_rng(7)
    rates = np.clip(rng.normal(0.3, spread, speakers), 0, 1)
    errors = np.concatenate([rng.binomial(20, rate, each) for rate in rates])
    return errors, np.full_like(errors, 20), [f"speaker{row // each}" for row in range(len(errors))]


def test_the_interval_holds_the_rate_and_narrows_with_more_speakers() -> None:
    widths = []
    for speakers in (10, 40, 160):
        errors, units, groups = utterances(speakers, 10, 0.1)
        low, high = bootstrap_interval(errors, units, groups)
        assert low < errors.sum() / units.sum() < high
        widths.append(high - low)
    assert widths[0] > 1.4 * widths[1] > 1.4**2 * widths[2]


def test_the_width_is_that_of_the_normal_approximation() -> None:
    errors, units, groups = utterances(200, 10, 0.1)
    rates = errors.reshape(-1, 10).mean(axis=1) / 20
    low, high = bootstrap_interval(errors, units, groups, resamples=4000)
    expected = 2 * 1.96 * np.std(rates) / math.sqrt(len(rates))
    assert (high - low) == pytest.approx(expected, rel=0.08)


def test_speakers_are_drawn_and_not_utterances() -> None:
    errors, units, groups = utterances(20, 50, 0.15)
    by_speaker = bootstrap_interval(errors, units, groups)
    by_utterance = bootstrap_interval(errors, units, [str(row) for row in range(len(errors))])
    assert by_speaker[1] - by_speaker[0] > 2 * (by_utterance[1] - by_utterance[0])


def test_each_resample_is_a_ratio_of_sums() -> None:
    # One speaker with all the words: every resample that draws it is at 0, the others are at 1.
    low, high = bootstrap_interval(np.array([0, 1, 1]), np.array([10**6, 1, 1]), ["a", "b", "c"], level=0.2)
    assert (low, high) == pytest.approx((0, 0), abs=1e-5)


def test_the_seed_alone_decides_and_the_order_does_not() -> None:
    errors, units, groups = utterances(10, 5, 0.1)
    first = bootstrap_interval(errors, units, groups, seed=3)
    assert bootstrap_interval(errors[::-1], units[::-1], groups[::-1], seed=3) == first
    assert bootstrap_interval(errors, units, groups, seed=4) != first


def test_a_higher_level_is_wider() -> None:
    errors, units, groups = utterances(20, 5, 0.1)
    narrow, wide = (bootstrap_interval(errors, units, groups, level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_one_speaker_has_no_interval() -> None:
    assert all(map(math.isnan, bootstrap_interval(np.zeros(5, int), np.full(5, 3), ["a"] * 5)))
    assert all(map(math.isnan, bootstrap_interval(np.zeros(0, int), np.zeros(0, int), [])))


def test_a_speaker_per_utterance_is_asked_for() -> None:
    with pytest.raises(ValueError, match="1 utterances but 2 group names"):
        bootstrap_interval(np.zeros(1, int), np.ones(1, int), ["a", "b"])
