"""CTC's likeliest path through the words of a text, which are all or only a part of what is said.

Between words that are all that is said, paths have blanks. Those of a part end up scattered: speech that is not in the
text costs the same wherever the words are put. There the states between words are stars, which emit whatever is
likeliest, so that only the words have to be where they are heard: as in "Star Temporal Classification" (Pratap et al.,
NeurIPS 2022), for the best path instead of all paths.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from asr.data.tokens import BLANK
from asr.recognizer.words import Peak, find_peaks, force_path

Spelled = Sequence[Sequence[int]]
"""Token ids of each word, without boundaries."""
Path = Callable[[Tensor, Spelled, int | None], tuple[list[list[Peak]], float]]
"""From log-probabilities `(frames, tokens)`, words and the token between them to each word's peaks, and a score."""

STAR_COST, OUTER_STAR_COST = 1.0, 0.1
"""Nats that a frame costs which is taken for speech outside the text: within it, where words should rather stay
together, and around it, where no frame should be taken from its words."""


def join(spelled: Spelled, boundary: int | None) -> list[int]:
    """Token ids of all words, with boundaries between them where there are such."""
    between = [] if boundary is None else [boundary]
    return [i for ids in spelled for i in (*between, *ids)][len(between) :]


def _by_word(peaks: Sequence[Peak], spelled: Spelled, boundary: int | None) -> list[list[Peak]]:
    own = (peak for peak in peaks if peak.token != boundary)
    return [[*itertools.islice(own, len(ids))] for ids in spelled]


def through_words(log_probs: Tensor, spelled: Spelled, boundary: int | None) -> tuple[list[list[Peak]], float]:
    """The path of words that are all that is said."""
    path, scores = force_path(log_probs, join(spelled, boundary))
    return _by_word(find_peaks(path.numpy(), scores.numpy()), spelled, boundary), float(scores.sum())


def through_stars(log_probs: Tensor, spelled: Spelled, boundary: int | None) -> tuple[list[list[Peak]], float]:
    """The path of words with anything at all before, between and behind them."""
    heard = log_probs.numpy()
    free = heard.max(axis=1)
    ids = join(spelled, boundary)
    # State 2i is what lies before token i, 2i + 1 the token.
    tokens = np.full(2 * len(ids) + 1, BLANK)
    tokens[1::2] = ids
    ends = np.cumsum([len(word) + (boundary is not None) for word in spelled]) - (boundary is not None)
    stars = np.array([0, *(2 * ends)])
    cost = np.full(len(stars), STAR_COST, np.float32)
    cost[[0, -1]] = OUTER_STAR_COST
    skips = np.zeros(len(tokens), np.bool_)
    skips[3::2] = tokens[3::2] != tokens[1:-2:2]
    traces = np.zeros((len(heard), len(tokens)), np.uint8)
    came = np.full((3, len(tokens)), -np.inf, np.float32)
    scores = np.where(np.arange(len(tokens)) == 0, np.float32(0), np.float32(-np.inf))
    for frame, now in enumerate(heard):
        came[0], came[1, 1:], came[2, 2:] = scores, scores[:-1], np.where(skips[2:], scores[:-2], -np.inf)
        traces[frame] = came.argmax(axis=0)
        emitted = now[tokens]
        emitted[stars] = np.maximum(now[BLANK], free[frame] - cost)
        scores = came.max(axis=0) + emitted
    state = len(tokens) - (1 if scores[-1] >= scores[-2] else 2)
    score = float(scores[state])
    states = np.zeros(len(heard), np.int64)
    for frame in reversed(range(len(heard))):
        states[frame] = state
        state -= int(traces[frame, state])
    firsts = np.flatnonzero(np.diff(states, prepend=-1)).tolist()
    peaks = [
        Peak(ids[states[first] // 2], first, stop, float(heard[first:stop, ids[states[first] // 2]].max()))
        for first, stop in zip(firsts, [*firsts[1:], len(heard)], strict=True)
        if states[first] % 2
    ]
    return _by_word(peaks, spelled, boundary), score
