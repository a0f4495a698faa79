"""A stream as blocks of samples, by libsndfile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import soundfile

from asr.audio.channels import Floats
from asr.audio.stream import NEAR_SECONDS, Broken, Stream
from asr.audio.view import View

BLOCK_SECONDS = 5
"""Of a block that is damaged nothing is had."""
LENGTH_UNKNOWN = 1 << 60
"""Frames. libsndfile declares more of a FLAC that was written to a pipe."""


@dataclass(frozen=True)
class Sound:
    """What a decoder has found in a stream, and is about to decode."""

    rate: int
    channels: int
    format: str
    """As the decoder names container and samples, such as `FLAC PCM_16`."""
    blocks: Iterator[Floats]
    """Each `(frames, channels)`; raises Broken where decoding has to end before the stream does."""
    seconds: float | None
    """As declared; None: not known."""
    near: float = NEAR_SECONDS
    """Seconds by which what is declared may be wrong."""


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Read from front to back: soundfile seeks after each read, which some formats do inexactly or not at all."""

    def seekable(self) -> bool:
        return False


def _told(error: soundfile.SoundFileError) -> str:
    """What libsndfile says, without the name of a file, which it does not know."""
    told = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return str(told).removeprefix("Error : ").strip(" .")


def _blocks(file: _Forward) -> Iterator[Floats]:
    with file:
        left = file.frames
        while left:
            # Never beyond the end: libsndfile calls a FLAC's trailing tag an error.
            count = min(left, BLOCK_SECONDS * file.samplerate)
            try:
                samples: Floats = file.read(count, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise Broken(_told(error)) from None
            left -= len(samples)
            yield samples
            if len(samples) < count:
                return


def open_sound(stream: Stream) -> Sound:
    """Raises Broken where libsndfile cannot read it."""
    try:
        file = _Forward(View(stream.pieces))
    except soundfile.SoundFileError as error:
        raise Broken(_told(error)) from None
    seconds = file.frames / file.samplerate if file.frames < LENGTH_UNKNOWN else None
    return Sound(file.samplerate, file.channels, f"{file.format} {file.subtype}", _blocks(file), seconds)
