"""The streams of a file, each with a decoder; and what a decoder has left out."""

from __future__ import annotations

from pathlib import Path

from asr.audio.container import find_streams
from asr.audio.ffmpeg import NotInstalled, open_ffmpeg
from asr.audio.sound import Sound, open_sound
from asr.audio.stream import Broken, Fault, Stream, Unreadable
from asr.audio.suffixes import FALLBACK


def read_streams(name: Path | str, data: memoryview) -> list[Stream]:
    """What a file holds. Raises Unreadable, with the file's name."""
    try:
        return find_streams(data)
    except Unreadable as error:
        raise Unreadable(name, error.reason, error.detail) from None


def open_stream(name: Path | str, stream: Stream, faults: list[Fault]) -> Sound:
    """A decoder for a stream: libsndfile's, or FFmpeg's where that knows more.

    Args:
        name: of the file, for messages.
        stream: one of `read_streams`.
        faults: gets what the decoder will not decode.

    Raises:
        Unreadable: no decoder at hand opens it.
    """
    try:
        return open_sound(stream)
    except Broken as error:
        fault = stream.fault or Fault("unreadable", str(error))
    if stream.fault is None:
        try:
            sound, tracks = open_ffmpeg(stream)
            if tracks > 1:
                faults.append(Fault("several streams", f"{tracks} tracks of audio at once; the first is used"))
            return sound
        except NotInstalled:
            if Path(name).suffix.lower() in FALLBACK:
                fault = Fault("needs the extra `av`", 'run: pip install "kappa-asr[av]"')
        except Broken as error:
            fault = Fault("unreadable", f"{fault.detail}; {error}")
    raise Unreadable(name, fault.reason, fault.detail)


def find_missing(stream: Stream, sound: Sound, frames: int, broken: str) -> Fault | None:
    """What decoding has brought less, or more, than the container holds."""
    if stream.fault is not None:
        return stream.fault
    seconds = frames / sound.rate
    expected = sound.seconds if stream.seconds is None else stream.seconds
    if broken:
        whole = "" if expected is None else f" of {expected:.1f}"
        return Fault("damaged", f"{broken}, after {seconds:.1f}{whole} s")
    if expected is None or expected - stream.slack - sound.near <= seconds <= expected + sound.near:
        return None
    detail = f"{seconds:.2f} s can be decoded, where {expected:.2f} s should be"
    return Fault("truncated" if seconds < expected else "damaged", detail)
