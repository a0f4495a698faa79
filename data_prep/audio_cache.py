"""Audio as training reads it: 16 kHz mono FLAC or WAV, found in place or decoded once into a cache.

Opus, Ogg and MP3 decode tens of times slower than FLAC, and other rates would have to be resampled every
epoch; so each such file is decoded once, in parallel. A cached file is named by its source's path, size and
time, so a source that changed is decoded anew; one that is damaged is replaced.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from asr.data.audio import SAMPLE_RATE, Samples
from asr.errors import UserError
from data_prep.folder import Rejection, Source, printable

VERSION = 2
"""Part of the names in the cache. To be raised when decoding changes, so that no older copy is taken."""

IN_PLACE = ("FLAC", "WAV", "WAVEX")

_LARGEST_RIFF = 0x7FFF0000
"""Bytes. Writers that cannot know the length in advance declare this much or more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A source that can be trained on: where its 16 kHz audio lies, and how long it is in seconds."""

    source: Source
    path: Path
    duration: float


def _target(path: Path, cache: Path) -> Path:
    status = path.stat()
    key = f"{VERSION}\0{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
    name = hashlib.sha256(key.encode()).hexdigest()[:20]
    return cache / name[:2] / f"{name}.flac"


def _decode(file: soundfile.SoundFile) -> Samples:
    """All of a file as 16 kHz 16-bit samples.

    By way of floats, since libsndfile reads Ogg that exceeds full scale as integers that wrap round, and
    float WAV as zeros.
    """
    samples = file.read(dtype="float32")
    if file.samplerate != SAMPLE_RATE:
        samples = soxr.resample(samples, file.samplerate, SAMPLE_RATE, "HQ")
    # A float file may hold NaN.
    scaled = np.nan_to_num(samples * np.float32(32768)).round().clip(-32768, 32767)
    decoded: Samples = scaled.astype(np.int16)
    return decoded


def _store(samples: Samples, target: Path) -> None:
    """Write FLAC aside, then rename it."""
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    aside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content.getbuffer())
        aside.replace(target)
    except OSError as error:
        raise UserError(
            f"{target.parent}: cannot keep decoded audio ({error.strerror}); make room or allow writing, and run "
            "again: what is decoded already is kept"
        ) from None


def _cached_samples(target: Path) -> int:
    """Samples of a cached file; 0 where it is missing or damaged."""
    try:
        return int(soundfile.info(target).frames)
    except soundfile.SoundFileError:
        return 0


def _is_cut_short(file: soundfile.SoundFile, path: Path) -> bool:
    """Whether the file ends before its header says, as an interrupted copy does.

    libsndfile counts the samples of a WAV from what is there, so its header is read here.
    """
    if file.format in ("WAV", "WAVEX"):
        with path.open("rb") as raw:
            head = raw.read(12)
        declared = int.from_bytes(head[4:8], "little") + 8
        return head[:4] == b"RIFF" and path.stat().st_size < declared < _LARGEST_RIFF
    if file.format != "FLAC":
        return False
    try:
        file.seek(file.frames - 1)
        complete = len(file.read(1, dtype="int16")) == 1
        file.seek(0)
    except soundfile.SoundFileError:
        return True
    return not complete


def _prepare(folder: Path, source: Source, cache: Path) -> Ready | Rejection:
    path = folder / source.path
    samples: Samples | None = None
    try:
        if path.stat().st_size == 0:
            return Rejection(source.path, "empty file")
        with soundfile.SoundFile(path) as file:
            if file.channels != 1:
                return Rejection(source.path, "not mono", f"{file.channels} channels")
            if file.frames == 0:
                return Rejection(source.path, "no audio in it")
            if file.frames > 1 << 60:
                return Rejection(source.path, "length unknown", "its header lacks it; encode it again")
            if _is_cut_short(file, path):
                return Rejection(source.path, "truncated", "ends before its header says")
            if file.format in IN_PLACE and file.subtype.startswith("PCM_") and file.samplerate == SAMPLE_RATE:
                return Ready(source, path, file.frames / SAMPLE_RATE)
            target = _target(path, cache)
            count = _cached_samples(target)
            if not count:
                samples = _decode(file)
                count = len(samples)
    except (soundfile.SoundFileError, OSError) as error:
        found = " ".join(str(error).split()).replace(str(path), "").strip(" :'")
        return Rejection(source.path, "unreadable", printable(found))
    if not count:
        return Rejection(source.path, "no audio in it")
    if samples is not None:
        _store(samples, target)
    return Ready(source, target, count / SAMPLE_RATE)


def prepare_audio(
    folder: Path, sources: Sequence[Source], cache: Path, progress: Callable[[str], None] | None = None
) -> list[Ready | Rejection]:
    """Read every header, decode what must be decoded; one result per source, in order.

    Args:
        folder: what the sources' paths are relative to.
        sources: audio files.
        cache: where decoded copies go; made where it is missing.
        progress: told, now and then, how far it is.

    Raises:
        UserError: the cache cannot be written.
    """
    results: list[Ready | Rejection] = []
    told = 0
    # libsndfile and soxr release the interpreter, so threads use all cores.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for result in pool.map(lambda source: _prepare(folder, source, cache), sources):
            results.append(result)
            if progress and len(results) - told >= 1000:
                told = len(results)
                progress(f"{folder.name}: {told:,} of {len(sources):,} files read")
    return results
