"""What is in a file of audio, without a copy of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.audio.opening import find_missing, open_stream, read_streams
from asr.audio.stream import Broken, Fault, Unreadable


def count_channels(name: Path | str, data: memoryview) -> int:
    """Channels of a file. Raises Unreadable where it cannot be decoded."""
    return max(open_stream(name, stream, []).channels for stream in read_streams(name, data))


@dataclass(frozen=True)
class Measured:
    """A file of one stream: samples a second, samples of each channel, and channels."""

    rate: int
    frames: int
    channels: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def measure(name: Path | str, data: memoryview) -> Measured:
    """The true length of a file, for those who will decode it by other means.

    Raises:
        Unreadable: it cannot be decoded, not all of it, or it is several recordings.
    """
    streams = read_streams(name, data)
    if len(streams) > 1:
        raise Unreadable(name, "several recordings in one file", f"{len(streams)}; write them to a file each")
    faults: list[Fault] = []
    sound = open_stream(name, streams[0], faults)
    frames, broken = 0, ""
    try:
        frames = sum(map(len, sound.blocks))
    except Broken as error:
        broken = str(error)
    fault = find_missing(streams[0], sound, frames, broken)
    for found in [*faults, *([fault] if fault else [])]:
        raise Unreadable(name, found.reason, found.detail)
    return Measured(sound.rate, frames, sound.channels)
