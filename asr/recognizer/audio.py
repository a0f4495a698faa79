"""Audio as people have it: any format, rate and number of channels that libsndfile reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from asr.data.audio import SAMPLE_RATE, Samples
from asr.errors import UserError

SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .caf .w64 .rf64 .sph .nist".split())
"""What is taken from a folder. A file that is named itself is read whatever its name."""

BLOCK_SECONDS = 30
STDIN = "-"


@dataclass(frozen=True)
class AudioFile:
    path: Path
    name: str
    """Path without suffix, below the folder it was found in: what results are named by."""


@dataclass(frozen=True)
class Audio:
    samples: Samples
    """16 kHz, mono."""
    notes: list[str] = field(default_factory=list)
    """What was done to the audio, or is odd about it."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def _in_folder(folder: Path) -> list[AudioFile]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise UserError(f"{folder}: no audio in this folder; looked for {' '.join(sorted(SUFFIXES))}")
    return [AudioFile(p, p.relative_to(folder).with_suffix("").as_posix()) for p in found]


def find_audio(names: Sequence[str], stdin: Iterable[str] = ()) -> list[AudioFile]:
    """Audio files among `names`: files, folders (searched to any depth), or `-` for paths in `stdin`, one a line.

    Raises:
        UserError: a path does not exist, a folder has no audio, or `stdin` no path.
    """
    files: list[AudioFile] = []
    for name in names:
        paths = [line.rstrip("\r\n") for line in stdin if line.strip()] if name == STDIN else [name]
        if not paths:
            raise UserError("standard input: no paths of audio files, one a line")
        for one in paths:
            path = Path(one)
            if path.is_dir():
                files += _in_folder(path)
            elif path.exists():
                files.append(AudioFile(path, path.stem))
            else:
                raise UserError(f"{path}: no such file or folder")
    return files


def check_names(files: Sequence[AudioFile]) -> None:
    """Raises UserError where two results would be one file."""
    seen: dict[str, Path] = {}
    for file in files:
        if file.name in seen:
            raise UserError(f"{seen[file.name]} and {file.path} would both be {file.name!r}; name their folder instead")
        seen[file.name] = file.path


def declared_seconds(files: Iterable[AudioFile]) -> float:
    """Length of all files together, as far as their headers can be read."""
    seconds = 0.0
    for file in files:
        with suppress(OSError, soundfile.SoundFileError):
            seconds += float(soundfile.info(file.path).duration)
    return seconds


def _quantise(samples: npt.NDArray[np.float32]) -> Samples:
    # A float file may hold NaN, and exceed full scale.
    scaled = np.nan_to_num(samples * np.float32(32768)).round().clip(-32768, 32767)
    quantised: Samples = scaled.astype(np.int16)
    return quantised


def read_audio(path: Path) -> Audio:
    """All of a file as 16 kHz mono 16-bit samples. Channels are averaged. Read in blocks: hours fit in memory.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, declared = file.samplerate, file.channels, file.frames
            stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")
            parts: list[Samples] = []
            found = 0
            while len(block := file.read(rate * BLOCK_SECONDS, dtype="float32", always_2d=True)):
                found += len(block)
                mono = block[:, 0] if channels == 1 else block.mean(1)
                parts.append(_quantise(mono if stream is None else stream.resample_chunk(mono)))
            if stream is not None:
                parts.append(_quantise(stream.resample_chunk(np.zeros(0, np.float32), last=True)))
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError(f"{path}: cannot read audio ({error})") from None
    notes = [] if channels == 1 else [f"{channels} channels, mixed down to one"]
    if rate != SAMPLE_RATE:
        notes.append(f"resampled from {rate} Hz")
    if found < declared:
        notes.append(f"ends after {found / rate:.1f} s, where {declared / rate:.1f} s are declared")
    return Audio(np.concatenate([np.zeros(0, np.int16), *parts]), notes)
