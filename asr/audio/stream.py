"""What a container holds: streams of audio, each with the length that its own frames add up to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.errors import UserError

Buffer = memoryview | bytes

NEAR_SECONDS = 0.001
"""Rounding between a container's clock and samples."""


class Unreadable(UserError):
    """Nothing can be had of an audio file. `reason` is one of few phrases, to be counted; `detail` what was found."""

    def __init__(self, name: Path | str, reason: str, detail: str = "") -> None:
        super().__init__(f"{name}: cannot read audio ({reason}{': ' if detail else ''}{detail})")
        self.reason = reason
        self.detail = detail


class Broken(Exception):
    """A decoder cannot go on; the message is its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a part of the audio may be missing: `reason` is one of few phrases, `detail` says what was found."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True)
class Stream:
    """Audio of one rate and number of channels.

    A file may hold several, one after the other: MP3 files that were joined, Ogg files that were chained.
    """

    pieces: tuple[Buffer, ...]
    """Content that a decoder reads as one file. It may differ from what lies on disk, where that has a wrong header."""
    seconds: float | None = None
    """As the container's frames, pages or sizes add up; None: only decoding tells."""
    slack: float = NEAR_SECONDS
    """Seconds that the decoder may rightly leave out, such as an encoder's padding."""
    fault: Fault | None = None
    as_is: bool = True
    """Whether the pieces are the file as it lies on disk."""
