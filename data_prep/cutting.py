"""Long recordings as utterances: cut at pauses into rows of one file, of which nothing is lost and nothing copied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from asr.audio.pauses import choose_cuts, frame_power, relative_loudness
from asr.data.audio import SAMPLE_RATE, Samples, read_samples
from data_prep.audio_cache import Ready

Spoken = Callable[[Samples], Sequence[tuple[float, float]]]
"""From samples to the beginning and end of each word, in seconds."""

GRID = 480
"""Samples: 30 ms, in which cuts lie."""
BLOCK_FRAMES = 2000
"""A minute is read at a time."""
SHORTEST_SHARE = 0.25
"""Of the longest utterance: none is shorter, lest a recording fall apart into words."""


def _powers(ready: Ready) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    seconds, block = ready.duration, BLOCK_FRAMES * GRID / SAMPLE_RATE
    for number in range(int(seconds // block) + 1):
        length = min(block, seconds - number * block)
        if length * SAMPLE_RATE >= 1:
            yield frame_power(read_samples(str(ready.path), ready.offset + number * block, length), GRID)


def cut_at_pauses(
    ready: Ready, shortest: float, longest: float, spoken: Spoken | None = None
) -> tuple[list[Ready], int]:
    """Utterances of `shortest` to `longest` seconds, and how many of the cuts lie within speech, for want of a pause.

    They follow on each other from the recording's beginning to its end. An id is the recording's and the hundredth of
    a second at which it begins.

    Args:
        ready: the recording.
        shortest: seconds of an utterance at least, as far as the longest allows that.
        longest: seconds of an utterance at most.
        spoken: tells when words are said, in which no pause is; without it loudness alone does.

    Raises:
        UserError: the audio cannot be read.
    """
    most = int(longest * SAMPLE_RATE) // GRID
    loudness = relative_loudness(np.concatenate(list(_powers(ready))), GRID)
    if spoken is not None:
        for start, end in spoken(read_samples(str(ready.path), ready.offset, ready.duration)):
            within = slice(int(start * SAMPLE_RATE) // GRID, int(end * SAMPLE_RATE) // GRID + 1)
            loudness[:, within] = np.maximum(loudness[:, within], 1.0)
    least = max(most * SHORTEST_SHARE, shortest * SAMPLE_RATE / GRID)
    # The frame that the end cuts off is counted with the last.
    cuts = choose_cuts(loudness, max(1, min(math.ceil(least), (most - 1) // 2)), max(2, most - 1))
    total = round(ready.duration * SAMPLE_RATE)
    edges = [0, *(cut.frame * GRID for cut in cuts), total]
    parts: list[Ready] = []
    for first, stop in itertools.pairwise(edges):
        offset = ready.offset + first / SAMPLE_RATE
        name = f"{ready.source.id}-{round(100 * offset):07d}"
        source = replace(ready.source, id=name, text=None)
        parts.append(replace(ready, source=source, offset=offset, duration=(stop - first) / SAMPLE_RATE))
    return parts, sum(not cut.pause for cut in cuts)
