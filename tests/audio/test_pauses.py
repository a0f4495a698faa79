from __future__ import annotations

import itertools

import numpy as np
import pytest

from asr.audio.pauses import PAUSE_LOUDNESS, choose_cuts, find_speech, frame_power, relative_loudness


def cost(loudness: np.ndarray[tuple[int], np.dtype[np.float64]], frames: tuple[int, ...]) -> tuple[int, float]:
    """Cuts within speech, and then loudness."""
    return sum(loudness[f] >= PAUSE_LOUDNESS for f in frames), float(sum(loudness[f] - PAUSE_LOUDNESS for f in frames))


@pytest.mark.parametrize("seed", range(4))
def test_the_cuts_are_the_cheapest_of_all_that_keep_the_lengths(seed: int) -> None:
    loudness = np.random.default_rng(seed).uniform(0, 1, 17)
    allowed = [
        cuts
        for size in range(9)
        for cuts in itertools.combinations(range(1, 17), size)
        if all(2 <= b - a <= 6 for a, b in itertools.pairwise((0, *cuts, 17)))
    ]
    chosen = tuple(cut.frame for cut in choose_cuts(loudness[None], 2, 6))
    assert chosen in allowed
    assert cost(loudness, chosen) == pytest.approx(min(cost(loudness, cuts) for cuts in allowed))


def test_no_number_of_pauses_outweighs_a_word_that_is_cut() -> None:
    loudness = np.ones(50)
    loudness[[10, 20, 30, 40]] = 0.19
    # Deeper ones, which a cut in speech would lead to.
    loudness[[13, 23, 33, 43]] = -3.0
    assert [cut.frame for cut in choose_cuts(loudness[None], 4, 10)] == [10, 20, 30, 40]


@pytest.mark.parametrize("count", [7, 8, 9, 13, 100, 1001])
def test_every_length_can_be_cut(count: int) -> None:
    cuts = [cut.frame for cut in choose_cuts(np.ones((1, count)), 3, 6)]
    assert all(3 <= b - a <= 6 for a, b in itertools.pairwise((0, *cuts, count)))


def test_audio_that_is_short_enough_is_not_cut() -> None:
    assert choose_cuts(np.zeros((1, 6)), 3, 6) == []


@pytest.mark.parametrize("background", [3.0, 300.0])
def test_speech_is_cut_in_its_pauses_whatever_the_background(background: float) -> None:
    rng = np.random.default_rng(0)
    speaking = np.ones(20 * 16_000)
    pauses = [2.5, 5.2, 8.4, 11.0, 14.1, 17.2]
    for second in pauses:
        speaking[round(second * 16_000) : round((second + 0.4) * 16_000)] = 0
    samples = (rng.standard_normal(len(speaking)) * (3000 * speaking + background)).astype(np.int16)
    cuts = choose_cuts(relative_loudness(frame_power(samples, 480), 480), round(1.5 / 0.03), round(4.5 / 0.03))
    assert all(cut.pause for cut in cuts)
    assert [cut.frame * 0.03 for cut in cuts] == pytest.approx([second + 0.2 for second in pauses], abs=0.2)


def test_audio_without_a_pause_has_cuts_that_say_so() -> None:
    samples = (np.random.default_rng(0).standard_normal(20 * 16_000) * 3000).astype(np.int16)
    samples[: 16_000 * 10] //= 100
    cuts = choose_cuts(relative_loudness(frame_power(samples, 480), 480), 50, 150)
    assert any(cut.pause for cut in cuts)
    assert not all(cut.pause for cut in cuts)
    assert not np.isnan(relative_loudness(frame_power(np.zeros(16_000, np.int16), 480), 480)).any()


def syllables(seconds: float, rng: np.random.Generator, level: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    time = np.arange(round(seconds * 16_000)) / 16_000
    return level * rng.standard_normal(len(time)) * (0.1 + np.abs(np.sin(4 * np.pi * time)))


@pytest.mark.parametrize("loud", [100.0, 3000.0])
def test_speech_is_found_between_silence_of_any_kind_and_short_pauses_are_part_of_it(loud: float) -> None:
    rng = np.random.default_rng(0)
    parts = [syllables(3.0, rng, loud), np.zeros(12_000), syllables(2.0, rng, loud / 8)]
    room, bits = loud / 50 * rng.standard_normal(80_000), rng.integers(0, 2, 80_000)
    samples = np.concatenate([room, *parts, bits, *parts, 0 * room]).astype(np.int16)
    found = [(first * 0.03, stop * 0.03) for first, stop in find_speech(samples, 480)]
    assert np.array(found) == pytest.approx(np.array([(4.75, 10.75), (15.75, 21.5)]), abs=0.35)


def test_noise_of_any_level_is_no_speech_and_speech_over_loud_noise_is() -> None:
    rng = np.random.default_rng(0)
    for level in (0.3, 3.0, 300.0, 9000.0):
        assert find_speech((level * rng.standard_normal(80_000)).astype(np.int16), 640) == []
    heard = syllables(5.0, rng, 1000.0) + 700 * rng.standard_normal(80_000)
    assert find_speech(heard.astype(np.int16), 640) == [(0, 125)]


def test_a_file_shorter_than_a_frame_is_heard() -> None:
    assert find_speech(np.zeros(0, np.int16), 480) == [(0, 0)]
    assert find_speech(np.ones(479, np.int16), 480) == [(0, 0)]
