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
from asr.audio.opening import find_missing, open_stream, read_streams
from asr.audio.scale import Scale
from asr.audio.sound import Sound
from asr.audio.stream import Broken, Fault, Stream, Unreadable
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
    # A float file may hold what is no number, and exceed full scale: `Scale` tells of it.
    if not np.isfinite(np.dot(scaled, scaled)):
        np.nan_to_num(scaled, copy=False, posinf=0.0, neginf=0.0)
    np.rint(scaled, out=scaled)
    quantised: Samples = scaled.clip(-32768, 32767, out=scaled).astype(np.int16)
    return quantised


def _run(sound: Sound, mixer: Mixer, scale: Scale, take: Take) -> tuple[int, int, str]:
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
            scale(mono)
            give(mono if resampler is None else resampler.resample_chunk(np.ascontiguousarray(mono)))
    except Broken as error:
        broken = str(error)
    if resampler is not None:
        give(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return frames, samples, broken


def _lies_plain(streams: list[Stream], sound: Sound) -> bool:
    """Whether a header, if it is true, speaks of audio that can be read where it lies."""
    kind, _, subtype = sound.format.partition(" ")
    plain = kind in IN_PLACE and subtype.startswith("PCM_") and (sound.rate, sound.channels) == (SAMPLE_RATE, 1)
    return plain and len(streams) == 1 and streams[0].as_is and sound.seconds is not None


def is_plain(name: Path | str, data: memoryview) -> bool:
    """Whether a file may be `in_place` once it is decoded. Raises Unreadable where it cannot be."""
    streams = read_streams(name, data)
    return _lies_plain(streams, open_stream(name, streams[0], []))


def _decode_streams(
    name: Path | str, data: memoryview, take: Take, channel: int | None
) -> tuple[Decoded, Mixer, set[int]]:
    streams = read_streams(name, data)
    decoded, mixer, scale, rates = Decoded(), Mixer(channel), Scale(), set[int]()
    for stream in streams:
        sound = open_stream(name, stream, decoded.faults)
        if channel is not None and channel > sound.channels:
            raise Unreadable(name, "no such channel", f"it has {sound.channels}, and not {channel}")
        frames, samples, broken = _run(sound, mixer, scale, take)
        decoded.samples += samples
        decoded.channels = max(decoded.channels, sound.channels)
        decoded.in_place = _lies_plain(streams, sound) and round((sound.seconds or 0) * SAMPLE_RATE) == samples
        rates.add(sound.rate)
        fault = find_missing(stream, sound, frames, broken)
        decoded.faults += [fault] if fault else []
    scale.check(name)
    decoded.notes += scale.notes()
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
    elif mixer.cancels_in_parts:
        done += ", though they cancel each other in parts"
    if not decoded.samples:
        fault = decoded.faults[0] if decoded.faults else Fault("no audio in it", "")
        raise Unreadable(name, fault.reason, fault.detail)
    if decoded.channels > 1:
        decoded.notes.append(f"{decoded.channels} channels, {done}")
    decoded.notes += [f"resampled from {rate} Hz" for rate in sorted(rates - {SAMPLE_RATE})]
    return decoded
