"""Subtitles: SubRip (SRT) and WebVTT.

WebVTT writes `&`, `<` and `>` as HTML does. SubRip knows no such thing: its readers differ in what they take for a tag,
and texts stand in it as they are.
"""

from __future__ import annotations

import html
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


def _lines(words: Sequence[Word]) -> list[str]:
    lines = textwrap.wrap(" ".join(w.text for w in words), LINE_LENGTH, break_on_hyphens=False)
    if len(lines) > 1 and lines[-1].isdecimal():
        # Readers take a last line of digits for the next caption's number.
        before, _, last = lines[-2].rpartition(" ")
        lines[-2:] = [before, f"{last} {lines[-1]}"] if before else [f"{last} {lines[-1]}"]
    return lines


def _fits(words: Sequence[Word]) -> bool:
    lines = _lines(words)
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


def _cues(words: Sequence[Word], seconds: float, point: str) -> list[tuple[str, str]]:
    """Of each caption its times and its lines."""
    captions = split_captions(words)
    starts = [caption[0].start for caption in captions]
    cues: list[tuple[str, str]] = []
    for caption, (start, following) in zip(captions, pairwise([*starts, max(seconds, 0.0)]), strict=True):
        end = max(caption[-1].end, min(start + MIN_SECONDS, following))
        cues.append((f"{_clock(start, point)} --> {_clock(end, point)}", "\n".join(_lines(caption))))
    return cues


def format_srt(words: Sequence[Word], seconds: float) -> str:
    """SubRip text. `seconds` is the length of the audio."""
    cues = _cues(words, seconds, ",")
    return "\n".join(f"{number}\n{times}\n{text}\n" for number, (times, text) in enumerate(cues, 1))


def format_vtt(words: Sequence[Word], seconds: float) -> str:
    """WebVTT text. `seconds` is the length of the audio."""
    cues = (f"{times}\n{html.escape(text, quote=False)}" for times, text in _cues(words, seconds, "."))
    return "\n\n".join(["WEBVTT", *cues]) + "\n"
