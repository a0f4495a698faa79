"""From a file as people have it to 16 kHz, mono, 16 bits: all of it, or a word about what is missing.

Lengths that headers declare are not believed. A file is decoded once, from front to back, and what came out is held
against what its container's frames, pages or sizes add up to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from asr.audio.channels import Floats, Mixer
from asr.audio.container import find_streams
from asr.audio.ffmpeg import NotInstalled, open_ffmpeg
from asr.audio.sound import Sound, open_sound
from asr.audio.stream import Broken, Fault, Stream, Unreadable
from asr.audio.suffixes import FALLBACK
from asr.data.audio import SAMPLE_RATE, Samples


@dataclass
class Decoded:
    """What decoding a file has shown."""

    samples: int = 0
    """Of 16 kHz."""
    channels: int = 1
    in_place: bool = False
    """Whether the file as it lies is 16 kHz, mono and of integers, in a container that can be read from anywhere."""
    notes: list[str] = field(default_factory=list)
    """What was done to the audio, each a phrase that many files can share."""
    faults: list[Fault] = field(default_factory=list)
    """Why a part of the audio may be missing."""


Take = Callable[[Samples], object]
IN_PLACE = ("FLAC", "WAV", "WAVEX")


def _quantise(samples: Floats) -> Samples:
    scaled = samples * np.float32(32768)
    # A float file may hold NaN, and exceed full scale.
    if not np.isfinite(np.dot(scaled, scaled)):
        np.nan_to_num(scaled, copy=False)
    np.rint(scaled, out=scaled)
    quantised: Samples = scaled.clip(-32768, 32767, out=scaled).astype(np.int16)
    return quantised


def _run(sound: Sound, mixer: Mixer, take: Take) -> tuple[int, int, str]:
    """Decode one stream; returns its frames, its samples of 16 kHz, and why it broke off."""
    resampler = None if sound.rate == SAMPLE_RATE else soxr.ResampleStream(sound.rate, SAMPLE_RATE, 1, quality="HQ")
    frames, samples, broken = 0, 0, ""

    def give(mono: Floats) -> None:
        nonlocal samples
        quantised = _quantise(mono)
        samples += len(quantised)
        take(quantised)

    try:
        for block in sound.blocks:
            frames += len(block)
            mono = mixer(block)
            give(mono if resampler is None else resampler.resample_chunk(np.ascontiguousarray(mono)))
    except Broken as error:
        broken = str(error)
    if resampler is not None:
        give(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return frames, samples, broken


def _missing(stream: Stream, sound: Sound, frames: int, broken: str) -> Fault | None:
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


def _open(name: Path | str, stream: Stream, faults: list[Fault]) -> Sound:
    """A decoder for a stream: libsndfile's, or FFmpeg's where that knows more."""
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


def _streams(name: Path | str, data: memoryview) -> list[Stream]:
    try:
        return find_streams(data)
    except Unreadable as error:
        raise Unreadable(name, error.reason, error.detail) from None


def count_channels(name: Path | str, data: memoryview) -> int:
    """Channels of a file. Raises Unreadable where it cannot be decoded."""
    return max(_open(name, stream, []).channels for stream in _streams(name, data))


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
    streams = _streams(name, data)
    if len(streams) > 1:
        raise Unreadable(name, "several recordings in one file", f"{len(streams)}; write them to a file each")
    faults: list[Fault] = []
    sound = _open(name, streams[0], faults)
    frames, broken = 0, ""
    try:
        frames = sum(map(len, sound.blocks))
    except Broken as error:
        broken = str(error)
    fault = _missing(streams[0], sound, frames, broken)
    for found in [*faults, *([fault] if fault else [])]:
        raise Unreadable(name, found.reason, found.detail)
    return Measured(sound.rate, frames, sound.channels)


def _lies_plain(streams: list[Stream], sound: Sound) -> bool:
    """Whether a header, if it is true, speaks of audio that can be read where it lies."""
    kind, _, subtype = sound.format.partition(" ")
    plain = kind in IN_PLACE and subtype.startswith("PCM_") and (sound.rate, sound.channels) == (SAMPLE_RATE, 1)
    return plain and len(streams) == 1 and streams[0].as_is and sound.seconds is not None


def is_plain(name: Path | str, data: memoryview) -> bool:
    """Whether a file may be `in_place` once it is decoded. Raises Unreadable where it cannot be."""
    streams = _streams(name, data)
    return _lies_plain(streams, _open(name, streams[0], []))


def _decode_streams(
    name: Path | str, data: memoryview, take: Take, channel: int | None
) -> tuple[Decoded, Mixer, set[int]]:
    streams = _streams(name, data)
    decoded, mixer, rates = Decoded(), Mixer(channel), set[int]()
    for stream in streams:
        sound = _open(name, stream, decoded.faults)
        if channel is not None and channel > sound.channels:
            raise Unreadable(name, "no such channel", f"it has {sound.channels}, and not {channel}")
        frames, samples, broken = _run(sound, mixer, take)
        decoded.samples += samples
        decoded.channels = max(decoded.channels, sound.channels)
        decoded.in_place = _lies_plain(streams, sound) and round((sound.seconds or 0) * SAMPLE_RATE) == samples
        rates.add(sound.rate)
        fault = _missing(stream, sound, frames, broken)
        decoded.faults += [fault] if fault else []
    if len(streams) > 1:
        decoded.notes.append(f"{len(streams)} recordings one after the other")
    return decoded, mixer, rates


def decode(name: Path | str, data: memoryview, begin: Callable[[], Take], channel: int | None = None) -> Decoded:
    """Decode all of a file, in blocks, so that hours of it need little memory.

    Args:
        name: of the file, for messages.
        data: its content.
        begin: called before the first block, gives what takes the samples, 16 kHz and mono. It is called again, and
            all is decoded anew, where the mean of the channels turns out to be next to nothing.
        channel: the one to take, from 1; None: the mean of all, or the first where they cancel each other.

    Raises:
        Unreadable: there is no audio in it that can be decoded, or no such channel.
    """
    decoded, mixer, rates = _decode_streams(name, data, begin(), channel)
    done = "mixed down to one" if channel is None else f"number {channel} is used"
    if mixer.cancels:
        decoded, _, _ = _decode_streams(name, data, begin(), 1)
        done = "which cancel each other when mixed: the first is used"
    if not decoded.samples:
        fault = decoded.faults[0] if decoded.faults else Fault("no audio in it", "")
        raise Unreadable(name, fault.reason, fault.detail)
    if decoded.channels > 1:
        decoded.notes.append(f"{decoded.channels} channels, {done}")
    decoded.notes += [f"resampled from {rate} Hz" for rate in sorted(rates - {SAMPLE_RATE})]
    return decoded
