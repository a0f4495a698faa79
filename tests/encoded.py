"""Encoded audio in memory, and ways of breaking it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000

Samples = np.ndarray[tuple[int], np.dtype[np.int16]]


def steps(seconds: float, first: int = 300, rate: int = RATE) -> Samples:
    """A tone that is 50 Hz higher in each second, and twice as loud in each tenth: what is where can be heard."""
    time = np.arange(round(seconds * rate)) / rate
    hertz = first + 50 * np.floor(time)
    loudness = 400 * 2.0 ** (np.floor(time) % 5)
    return (loudness * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def heard(samples: Samples, second: int) -> int:
    """The frequency in the middle of a second, in steps of 10 Hz."""
    start = second * RATE + 3000
    spectrum = np.abs(np.fft.rfft(samples[start : start + 8000] * np.hanning(8000)))
    return int(np.argmax(spectrum)) * 2 // 10 * 10


def encode(samples: Samples, form: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    """A whole file; MP3 of variable bit rate, with a Xing frame in front."""
    content = io.BytesIO()
    variable = {"bitrate_mode": "VARIABLE", "compression_level": 0.7} if form == "MP3" else {}
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(content, "w", rate, channels, subtype, format=form, **variable) as file:
        file.write(samples)
    return content.getvalue()


def without_xing(mp3: bytes) -> bytes:
    """As a writer leaves it that cannot go back to the beginning."""
    place = mp3.index(b"Xing")
    # The next frame begins as this one does, but for the bit rate.
    following = next(i for i in range(place, len(mp3)) if mp3[i : i + 2] == mp3[:2])
    return mp3[following:]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def wav_size(wav: bytes, size: int, whole: int | None = None) -> bytes:
    """With other sizes of audio and file in its header."""
    place = wav.index(b"data") + 4
    head = wav[:4] + (size + place - 4 if whole is None else whole).to_bytes(4, "little") + wav[8:place]
    return head + size.to_bytes(4, "little") + wav[place + 4 :]


def flac_without_length(flac: bytes) -> bytes:
    """As an encoder leaves it that writes to a pipe."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]
