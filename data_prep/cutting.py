"""Long recordings as utterances: cut at pauses into rows of one file, of which nothing is lost and nothing copied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from asr.audio.pauses import Cut, choose_cuts, frame_power, relative_loudness
from asr.data.audio import SAMPLE_RATE, Samples, read_samples
from asr.errors import UserError
from asr.score.wer import count_errors
from data_prep.audio_cache import Ready
from data_prep.source import Rejection

GRID = 480
"""Samples: 30 ms, in which cuts lie."""
BLOCK_FRAMES = 2000
"""A minute is read at a time."""
SHORTEST_SHARE = 0.25
"""Of the longest utterance: none is shorter, lest a recording fall apart into words."""
MOST_ERRORS = 0.5
"""Share of characters that a model may hear otherwise than an utterance's text has them. Of a text that is somewhere
else, or of another recording, it hears hardly any."""


class Said(Protocol):
    """A word, and when it is said, in seconds."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


class Hearing(Protocol):
    """What a trained model tells of a recording."""

    def words(self, samples: Samples) -> Sequence[Said]:
        """What it hears."""

    def align(self, samples: Samples, text: str) -> Sequence[Said]:
        """When the words of a text are said. Raises UserError where it cannot tell."""


@dataclass(frozen=True)
class Limits:
    """Seconds of an utterance. `shortest` is kept to as far as `longest` allows that."""

    shortest: float
    longest: float


def _loudness(ready: Ready) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    def powers() -> Iterator[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        block = BLOCK_FRAMES * GRID / SAMPLE_RATE
        for number in range(int(ready.duration // block) + 1):
            length = min(block, ready.duration - number * block)
            if length * SAMPLE_RATE >= 1:
                yield frame_power(read_samples(str(ready.path), ready.offset + number * block, length), GRID)

    return relative_loudness(np.concatenate(list(powers())), GRID)


def _choose(ready: Ready, limits: Limits, words: Sequence[Said]) -> list[Cut]:
    """Cuts at what is quiet, and is in no word where these are known."""
    loudness = _loudness(ready)
    for word in words:
        within = slice(int(word.start * SAMPLE_RATE) // GRID, int(word.end * SAMPLE_RATE) // GRID + 1)
        loudness[:, within] = np.maximum(loudness[:, within], 1.0)
    most = int(limits.longest * SAMPLE_RATE) // GRID
    least = max(most * SHORTEST_SHARE, limits.shortest * SAMPLE_RATE / GRID)
    # The frame that the end cuts off is counted with the last.
    return choose_cuts(loudness, max(1, min(math.ceil(least), (most - 1) // 2)), max(2, most - 1))


def _parts(ready: Ready, cuts: Sequence[Cut]) -> list[Ready]:
    """They follow on each other to the end. An id has the hundredth of a second at which its part begins."""
    edges = [0, *(cut.frame * GRID for cut in cuts), round(ready.duration * SAMPLE_RATE)]
    parts: list[Ready] = []
    for first, stop in itertools.pairwise(edges):
        offset = ready.offset + first / SAMPLE_RATE
        source = replace(ready.source, id=f"{ready.source.id}-{round(100 * offset):07d}", text=None)
        parts.append(replace(ready, source=source, offset=offset, duration=(stop - first) / SAMPLE_RATE))
    return parts


def _samples(ready: Ready) -> Samples:
    return read_samples(str(ready.path), ready.offset, ready.duration)


def cut_at_pauses(ready: Ready, limits: Limits, hearing: Hearing | None = None) -> tuple[list[Ready], int]:
    """Utterances without text, and how many of the cuts lie within speech, for want of a pause.

    Args:
        ready: the recording.
        limits: of the utterances.
        hearing: tells when words are said, in which no pause is; without it loudness alone does.

    Raises:
        UserError: the audio cannot be read.
    """
    words = [] if hearing is None else hearing.words(_samples(ready))
    cuts = _choose(ready, limits, words)
    return _parts(ready, cuts), sum(not cut.pause for cut in cuts)


def _within(words: Sequence[Said], begin: float, end: float) -> str:
    return " ".join(word.text for word in words if begin <= (word.start + word.end) / 2 < end)


def cut_by_text(ready: Ready, limits: Limits, hearing: Hearing) -> tuple[list[Ready], list[Rejection]]:
    """Utterances with their parts of the recording's text, and those whose text the model does not hear there.

    Args:
        ready: the recording, with its text.
        limits: of the utterances.
        hearing: tells when the words of the text are said.

    Raises:
        UserError: the audio cannot be read.
    """
    samples, text = _samples(ready), ready.source.text or ""
    try:
        said = hearing.align(samples, text)
    except UserError as error:
        return [], [Rejection(ready.source.id, "text cannot be aligned", str(error))]
    heard = hearing.words(samples)
    kept: list[Ready] = []
    rejections: list[Rejection] = []
    for part in _parts(ready, _choose(ready, limits, said)):
        begin = part.offset - ready.offset
        spans = begin, begin + part.duration
        told, found = _within(said, *spans), _within(heard, *spans)
        if count_errors([told.upper()], [found.upper()], "char")[0].rate > MOST_ERRORS:
            detail = f"at {part.offset:.1f} s it is {told[:40]!r}, and the model hears {found[:40]!r}"
            rejections.append(Rejection(part.source.id, "text and model disagree", detail))
        else:
            kept.append(replace(part, source=replace(part.source, text=told)))
    return kept, rejections
