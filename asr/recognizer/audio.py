"""The files that are to be transcribed, and their samples."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile

from asr.audio.decode import Take, decode
from asr.audio.measure import count_channels
from asr.audio.sound import LENGTH_UNKNOWN
from asr.audio.suffixes import AUDIO_SUFFIXES
from asr.audio.view import map_file
from asr.data.audio import SAMPLE_RATE, Samples
from asr.errors import UserError
from asr.files_below import files_below

STDIN = "-"


@dataclass(frozen=True)
class AudioFile:
    path: Path
    name: str
    """Path without suffix, below the folder it was found in: what results are named by."""
    channel: int | None = None
    """The one that is heard, from 1; None: the mean of all."""


@dataclass(frozen=True)
class Audio:
    samples: Samples
    """16 kHz, mono."""
    notes: list[str] = field(default_factory=list)
    """What was done to the audio, or is odd about it."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def _in_folder(folder: Path, tell: Callable[[str], object]) -> list[AudioFile]:
    files = files_below(folder)
    found = [p for p in files if p.suffix.lower() in AUDIO_SUFFIXES]
    if not found:
        raise UserError(f"{folder}: no audio in this folder; looked for {' '.join(sorted(AUDIO_SUFFIXES))}")
    if others := Counter(p.suffix for p in files if p.suffix.lower() not in AUDIO_SUFFIXES):
        counts = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in others.most_common())
        tell(f"{folder}: not taken for audio: {counts}")
    return [AudioFile(p, p.relative_to(folder).with_suffix("").as_posix()) for p in found]


def find_audio(
    names: Sequence[str], stdin: Iterable[str] = (), tell: Callable[[str], object] = lambda _: None
) -> list[AudioFile]:
    """Audio files among `names`: files, folders (searched to any depth), or `-` for paths in `stdin`, one a line.

    A file that is named itself is taken whatever its suffix. `tell` gets a line about each folder that holds others.

    Raises:
        UserError: a path does not exist, a folder has no audio, or `stdin` no path.
    """
    files: list[AudioFile] = []
    # Names of files need be no text.
    if STDIN in names and isinstance(stdin, io.TextIOWrapper):
        stdin.reconfigure(encoding=sys.getfilesystemencoding(), errors="surrogateescape")
    for name in names:
        paths = [line.rstrip("\r\n") for line in stdin if line.strip()] if name == STDIN else [name]
        if not paths:
            raise UserError("standard input: no paths of audio files, one a line")
        for one in paths:
            if not one:
                raise UserError("an empty path; is a variable of the shell not set?")
            path = Path(one)
            if path.is_dir():
                files += _in_folder(path, tell)
            elif path.exists():
                files.append(AudioFile(path, path.stem))
            else:
                raise UserError(f"{path}: no such file or folder")
    return files


def choose_channels(files: Sequence[AudioFile], channel: int | str | None) -> list[AudioFile]:
    """The files, heard by one channel; with `each` every channel of several as a file of its own.

    Results of channel 2 of `talk.wav` are named `talk-2`.
    """
    if channel != "each":
        number = channel if isinstance(channel, int) else None
        return [replace(file, channel=number) for file in files]
    parted: list[AudioFile] = []
    for file in files:
        channels = 1
        # What cannot be read is told when it is its turn.
        with suppress(UserError):
            channels = count_channels(file.path, map_file(file.path))
        names = {n: f"{file.name}-{n}" if channels > 1 else file.name for n in range(1, channels + 1)}
        parted += [AudioFile(file.path, name, number) for number, name in names.items()]
    return parted


def check_names(files: Sequence[AudioFile]) -> None:
    """Raises UserError where two results would be one file."""
    seen: dict[str, Path] = {}
    for file in files:
        if file.name in seen:
            raise UserError(f"{seen[file.name]} and {file.path} would both be {file.name!r}; name their folder instead")
        seen[file.name] = file.path


def declared_seconds(files: Iterable[AudioFile]) -> float:
    """Length of all files together, as far as their headers tell; for bars of progress only."""
    seconds = 0.0
    for file in files:
        # Opening a pipe would wait for ever.
        with suppress(OSError, soundfile.SoundFileError):
            if not file.path.is_file():
                continue
            found = soundfile.info(file.path)
            seconds += float(found.duration) if found.frames < LENGTH_UNKNOWN else 0.0
    return seconds


def read_audio(path: Path, channel: int | None = None) -> Audio:
    """All of a file as 16 kHz mono 16-bit samples. What may be missing is a note: the rest is still worth hearing.

    Args:
        path: the file.
        channel: the one to take, from 1; None: the mean of all.

    Raises:
        UserError: the file cannot be read, or has no such channel.
    """
    parts: list[Samples] = []

    def begin() -> Take:
        parts.clear()
        return parts.append

    decoded = decode(path, map_file(path), begin, channel)
    return Audio(np.concatenate(parts), [*decoded.notes, *map(str, decoded.faults)])
