from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from asr.audio.pauses import Cut
from asr.data.characters import ALPHABET
from asr.recognizer.windows import join_windows, place_windows
from asr.recognizer.words import best_peaks, time_word, write_words

SYMBOLS = ["<blank>", *ALPHABET.replace("|", "▁")]
GRID, TAIL = 480, 352


def spoken(seed: int, frames: int) -> tuple[list[str], list[int]]:
    """Random words, and the token of every frame, as a model that is always right would hear them."""
    rng = np.random.default_rng(seed)
    words: list[str] = []
    path: list[int] = [0] * 3
    while len(path) < frames - 60:
        word = "".join(rng.choice(list("ABCDE"), rng.integers(1, 9)))
        words.append(word)
        for one, letter in itertools.pairwise(" " + word):
            path += [0] * (int(one == letter) or int(rng.integers(0, 3))) + [SYMBOLS.index(letter)] * int(
                rng.integers(1, 3)
            )
        # The boundary may come anywhere between two words.
        pause = int(rng.integers(2, 9))
        path += [0] * (at := int(rng.integers(0, pause))) + [1] + [0] * (pause - at)
    return words, path + [0] * (frames - len(path))


def hear(path: list[int], start: int, stop: int, seed: int) -> Tensor:
    """What a model hears of a window: nonsense near ends that are within speech."""
    rng = np.random.default_rng(seed)
    heard = np.array(path[start:stop])
    for edge, at_end in ((range(0, 5), start == 0), (range(len(heard) - 5, len(heard)), stop == len(path))):
        if not at_end:
            heard[list(edge)] = rng.integers(0, len(SYMBOLS), 5)
    return torch.nn.functional.one_hot(torch.from_numpy(heard), len(SYMBOLS)).float().mul(10).log_softmax(-1)


@pytest.mark.parametrize("seed", range(30))
def test_no_word_is_lost_or_doubled_where_windows_overlap(seed: int) -> None:
    words, path = spoken(seed, 2000)
    rng = np.random.default_rng(seed)
    cuts = [Cut(frame + int(rng.integers(-40, 40)), False) for frame in range(300, 1800, 300)]
    places = place_windows(2000 * GRID, cuts, 60, GRID, TAIL)
    heard = [(a // GRID, hear(path, a // GRID, b // GRID, n)) for n, (a, b) in enumerate(places)]
    segments = join_windows(heard, SYMBOLS)
    found = [
        time_word(text, peaks, segment.first_frame, 0.03)
        for segment in segments
        for text, peaks in write_words(best_peaks(segment.log_probs), SYMBOLS)
    ]
    assert [word.text for word in found] == words
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    # Times are the file's, not the window's.
    assert [path[round(word.start / 0.03)] for word in found] == [SYMBOLS.index(word.text[0]) for word in found]
    ends = [segment.first_frame + len(segment.log_probs) for segment in segments]
    assert ends == [*(s.first_frame for s in segments[1:]), 2000]


def test_windows_overlap_at_pauses_too_which_may_be_stops_within_words() -> None:
    places = place_windows(1000 * GRID, [Cut(300, True), Cut(600, False)], 40, GRID, TAIL)
    assert places == [(0, 320 * GRID + TAIL), (280 * GRID, 620 * GRID + TAIL), (580 * GRID, 1000 * GRID)]


def test_short_parts_overlap_less_so_that_windows_change_over_in_order() -> None:
    _, path = spoken(7, 700)
    cuts = [Cut(frame, False) for frame in (100, 130, 165, 400)]
    places = place_windows(700 * GRID, cuts, 200, GRID, TAIL)
    assert places[0] == (0, 115 * GRID + TAIL)
    assert places[1] == (85 * GRID, 145 * GRID + TAIL)
    heard = [(a // GRID, hear(path, a // GRID, b // GRID, n)) for n, (a, b) in enumerate(places)]
    firsts = [segment.first_frame for segment in join_windows(heard, SYMBOLS)]
    assert firsts == sorted(set(firsts))


def test_audio_without_a_cut_is_one_window() -> None:
    assert place_windows(777, [], 40, GRID, TAIL) == [(0, 777)]
    log_probs = torch.zeros(5, 3)
    (segment,) = join_windows([(0, log_probs)], ["<blank>", "▁", "A"])
    assert segment.first_frame == 0
    assert torch.equal(segment.log_probs, log_probs)
