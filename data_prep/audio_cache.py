"""Audio as training reads it: 16 kHz mono FLAC or WAV, found in place or decoded once into a cache.

Opus, Ogg and MP3 decode tens of times slower than FLAC, and other rates would have to be resampled every
epoch; so each such file is decoded once, in parallel. A cached file is named by its source's path, size and
time, so a source that changed is decoded anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from asr.data.audio import SAMPLE_RATE
from data_prep.folder import Rejection, Source

IN_PLACE = ("FLAC", "WAV")


@dataclass(frozen=True, slots=True)
class Ready:
    """A source that can be trained on: where its 16 kHz audio lies, and how long it is in seconds."""

    source: Source
    path: Path
    duration: float


def _target(path: Path, cache: Path) -> Path:
    status = path.stat()
    name = hashlib.sha256(f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode()).hexdigest()[:20]
    return cache / name[:2] / f"{name}.flac"


def _decode(path: Path, target: Path) -> int:
    """Decode a source to 16 kHz 16-bit FLAC; returns its samples. Written aside, then renamed."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=False)
    if rate != SAMPLE_RATE:
        resampled = soxr.resample(samples.astype(np.float32) / 32768, rate, SAMPLE_RATE, "HQ")
        samples = (resampled * 32768).round().clip(-32768, 32767).astype(np.int16)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    soundfile.write(aside, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    aside.replace(target)
    return len(samples)


def _has_last_sample(file: soundfile.SoundFile) -> bool:
    """Whether the file reaches as far as its header says: a copy that was cut short does not."""
    try:
        file.seek(file.frames - 1)
        return len(file.read(1, dtype="int16")) == 1
    except soundfile.SoundFileError:
        return False


def _prepare(folder: Path, source: Source, cache: Path) -> Ready | Rejection:
    path = folder / source.path
    try:
        if path.stat().st_size == 0:
            return Rejection(source.path, "empty file")
        with soundfile.SoundFile(path) as file:
            if file.channels != 1:
                return Rejection(source.path, "not mono", f"{file.channels} channels")
            if file.frames == 0:
                return Rejection(source.path, "no audio in it")
            if file.format in IN_PLACE and file.samplerate == SAMPLE_RATE:
                if not _has_last_sample(file):
                    return Rejection(source.path, "truncated", f"shorter than its header's {file.frames} samples")
                return Ready(source, path, file.frames / SAMPLE_RATE)
        target = _target(path, cache)
        count = soundfile.info(target).frames if target.is_file() else _decode(path, target)
    except (soundfile.SoundFileError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None and Path(error.filename) != path:
            # The cache cannot be written: no fault of the source.
            raise
        return Rejection(source.path, "unreadable", " ".join(str(error).split()).replace(str(path), "").strip(" :'"))
    if count == 0:
        return Rejection(source.path, "no audio in it")
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
