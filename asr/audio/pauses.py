"""Where nobody speaks, and where long audio can be cut: at pauses, so that it looks like what a model was trained on.

A recognizer that was trained on utterances hears best what begins and ends as they do. On eight minutes joined
from the generated corpus, whose utterances have a WER of 33.9 %, windows of fixed length and overlap had 46 % at
best, and those cut by these rules 34.6 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asr.data.audio import SAMPLE_RATE, Samples

SPANS_SECONDS = (0.15, 0.33)
"""Loudness is averaged over the one, which most stops within words are shorter than, and over the other, which
pauses between sentences fill: the mean of both is lower in the latter."""
PAUSE_LOUDNESS = 0.2
"""A pause is quieter than this, where 0 is the background's level and 1 that of loud speech."""
SPEECH_COST = 1e4
"""Of a cut that is in no pause: more than all pauses of an hour together are worth."""
LEVEL_SECONDS = 20.0
"""Background and speech are measured over so much."""
LEVEL_RANGE_DB = 10.0
"""Speech is taken to be so much louder than its background at least."""

LOUD_SECONDS = 0.5
"""Speech is as loud as the loudest so many seconds of a file are, however long it is."""
FAR_BELOW_DB = 45.0
"""What is so much fainter than the file's speech is silence; so is what no recorder can have heard:"""
NOISE_FLOOR_DB = 5.0
"""noise of the lowest bit has up to 3.7."""
STEADY_SECONDS = 2.0
STEADY_DB = 1.0
"""Loudness that keeps so near to its mean for so long is that of noise: speech rises and falls with its syllables."""
SILENT_SECONDS = 1.0
"""Shorter silence is part of the speech around it."""
MARGIN_SECONDS = 0.25
"""So much of a steady background belongs to speech."""
BLOCK_FRAMES = 2000
"""Frames whose samples are looked at together: hours of them would fill the memory."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    frame: int
    """Encoder frame that begins the second part."""
    pause: bool
    """Whether nothing is said there."""


def frame_power(samples: Samples | Floats, grid: int) -> Floats:
    """Power of each `grid` samples `(frames,)`; what is left over at the end is not counted."""
    whole = samples[: len(samples) // grid * grid].astype(np.float64).reshape(-1, grid)
    # Sums of squares of 16-bit numbers are exact: what var does to keep rounding small takes three times as long.
    power: Floats = np.einsum("ij,ij->i", whole, whole) / grid - np.square(whole.mean(axis=1)) + 1.0
    return power


def relative_loudness(power: Floats, grid: int) -> Floats:
    """Loudness over each span around each frame of `grid` samples, `(spans, frames)`: 0 as the background, 1 as speech.

    On a decibel scale between the 10th and the 90th percentile of the seconds around.
    """
    level = 10 * np.log10(power)
    second = max(1, SAMPLE_RATE // grid)
    reach = round(LEVEL_SECONDS / 2 * second)
    percentiles = [np.percentile(level[max(0, i - reach) : i + reach], (10, 90)) for i in range(0, len(level), second)]
    quiet, loud = np.repeat(np.array(percentiles), second, axis=0)[: len(level)].T
    spans = [min(len(power), round(s * SAMPLE_RATE / grid) | 1) for s in SPANS_SECONDS]
    around = [10 * np.log10(np.convolve(power, np.ones(n) / n, "same")) for n in spans]
    relative: Floats = (np.stack(around) - quiet) / np.maximum(loud - quiet, LEVEL_RANGE_DB)
    return relative


def _levels(samples: Samples, grid: int) -> Floats:
    """Loudness in dB of each `grid` samples and their neighbours, `(frames,)`.

    Of differences between samples: hum and rumble, which are no speech and never steady, count for less.
    """
    parts = (samples[max(0, i - 1) : i + BLOCK_FRAMES * grid] for i in range(0, len(samples), BLOCK_FRAMES * grid))
    changes = (np.subtract(part[1:], part[:-1], dtype=np.float64) for part in parts)
    # The first sample, which follows on none, changes by nothing.
    powers = [frame_power(np.append(0.0, c) if i == 0 else c, grid) for i, c in enumerate(changes)]
    power = np.pad(np.concatenate(powers), 1, "edge")
    levels: Floats = 10 * np.log10(np.convolve(power, np.full(3, 1 / 3), "valid"))
    return levels


def _steady(levels: Floats, second: float) -> Flags:
    """Frames in a long stretch of which none is much louder than their mean, but its margins; `(frames,)`.

    Args:
        levels: as `_levels` gives them.
        second: frames of a second.
    """
    count, margin = round(STEADY_SECONDS * second), round(MARGIN_SECONDS * second)
    if len(levels) < count:
        return np.zeros(len(levels), np.bool_)
    sums = np.concatenate(([0.0], np.cumsum(levels)))
    mean = (sums[count:] - sums[:-count]) / count
    loudest = np.lib.stride_tricks.sliding_window_view(levels, count).max(axis=1)
    flags = np.convolve(loudest - mean < STEADY_DB, np.ones(count)) > 0.5
    around = np.convolve(np.pad(~flags, margin), np.ones(2 * margin + 1), "valid")
    steady: Flags = around < 0.5
    return steady


def find_speech(samples: Samples, grid: int) -> list[tuple[int, int]]:
    """Stretches `[first, stop)` of frames of `grid` samples in which there may be speech; all others are silence.

    A model brings whatever it hears to the loudness of speech and finds words in it, so it should not hear silence.
    Silence is what is far fainter than the file's speech, or keeps the same loudness, for longer than a pause. Some of
    the latter stays at both ends of a stretch, as utterances have it.
    """
    count = len(samples) // grid
    if not count:
        return [(0, 0)]
    second = SAMPLE_RATE / grid
    levels = _levels(samples, grid)
    loud = np.sort(levels)[-min(count, max(1, round(LOUD_SECONDS * second)))]
    silent = (levels < max(loud - FAR_BELOW_DB, NOISE_FLOOR_DB)) | _steady(levels, second)
    turns = [*np.flatnonzero(np.diff(silent, prepend=not silent[0])).tolist(), count]
    stretches: list[tuple[int, int]] = []
    heard = 0
    for first, stop in pairwise(turns):
        if silent[first] and stop - first >= min(count, SILENT_SECONDS * second):
            if first > heard:
                stretches.append((heard, first))
            heard = stop
    return [*stretches, (heard, count)] if heard < count else stretches


def choose_cuts(loudness: Floats, shortest: int, longest: int) -> list[Cut]:
    """The cuts of least total loudness that leave parts of `shortest` to `longest` frames, as few as can be in speech.

    Each cut costs what it is louder than a pause, so that every pause is cut in that the lengths allow, and
    elsewhere only where a part would be too long. No number of pauses outweighs a word that is cut.

    Args:
        loudness: as `relative_loudness` gives it, `(spans, frames)`.
        shortest: frames of a part, at least; at most half of `longest`.
        longest: frames of a part, at most.
    """
    count = loudness.shape[1]
    if count <= longest:
        return []
    pauses = loudness.min(axis=0) < PAUSE_LOUDNESS
    cost = np.append(loudness.mean(axis=0) - PAUSE_LOUDNESS + np.where(pauses, 0.0, SPEECH_COST), 0.0)
    total = np.full(count + 1, np.inf)
    total[0] = 0.0
    before = np.zeros(count + 1, dtype=np.int64)
    for end in range(shortest, count + 1):
        first = max(0, end - longest)
        before[end] = first + int(total[first : end - shortest + 1].argmin())
        total[end] = total[before[end]] + cost[end]
    frames: list[int] = []
    frame = int(before[count])
    while frame > 0:
        frames.append(frame)
        frame = int(before[frame])
    return [Cut(frame, bool(pauses[frame])) for frame in reversed(frames)]
