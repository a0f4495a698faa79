"""Subtitles: SubRip (SRT) and WebVTT."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise

from asr.recognizer.words import Word

LINE_LENGTH = 42
LINES = 2
MAX_SECONDS = 6.0
PAUSE_SECONDS = 0.8
"""A pause this long ends a caption."""
MIN_SECONDS = 1.0
"""Shorter captions stay on, until the next one begins at the latest."""


def _fits(words: Sequence[Word]) -> bool:
    lines = textwrap.wrap(" ".join(w.text for w in words), LINE_LENGTH)
    return len(lines) <= LINES and words[-1].end - words[0].start <= MAX_SECONDS


def split_captions(words: Sequence[Word]) -> list[list[Word]]:
    """Words by caption: each of at most two lines and six seconds, none across a pause."""
    captions: list[list[Word]] = []
    for word in words:
        last = captions[-1] if captions else []
        if last and word.start - last[-1].end < PAUSE_SECONDS and _fits([*last, word]):
            last.append(word)
        else:
            captions.append([word])
    return captions


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _cues(words: Sequence[Word], seconds: float, point: str) -> list[str]:
    captions = split_captions(words)
    starts = [caption[0].start for caption in captions]
    cues: list[str] = []
    for caption, (start, following) in zip(captions, pairwise([*starts, max(seconds, 0.0)]), strict=True):
        end = max(caption[-1].end, min(start + MIN_SECONDS, following))
        lines = textwrap.wrap(" ".join(w.text for w in caption), LINE_LENGTH)
        cues.append("\n".join([f"{_clock(start, point)} --> {_clock(end, point)}", *lines]))
    return cues


def format_srt(words: Sequence[Word], seconds: float) -> str:
    """SubRip text. `seconds` is the length of the audio."""
    cues = _cues(words, seconds, ",")
    return "\n\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1)) + "\n" if cues else ""


def format_vtt(words: Sequence[Word], seconds: float) -> str:
    """WebVTT text. `seconds` is the length of the audio."""
    return "\n\n".join(["WEBVTT", *_cues(words, seconds, ".")]) + "\n"
