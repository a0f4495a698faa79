"""Audio as training reads it: 16 kHz mono FLAC or WAV, found in place, in archives too, or decoded once into a cache.

Opus, Ogg and MP3 decode tens of times slower than FLAC, other rates would have to be resampled every epoch, and lengths
in headers are not to be believed. So each file is decoded once, in parallel, to its end. A cached file is named by its
source's path, size and time, so a source that changed is decoded anew; one that is damaged is replaced.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import soundfile

from asr.audio.decode import Decoded, Take, decode, is_plain
from asr.audio.stream import Unreadable
from asr.data.audio import SAMPLE_RATE
from asr.data.packed import Place
from asr.errors import UserError
from asr.printable import printable
from asr.processors import free_processors
from data_prep.content import read_content
from data_prep.ledger import Known, Ledger
from data_prep.source import Rejection, Source

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

VERSION = 3
"""Part of the names in the cache. To be raised when decoding changes, so that no older copy is taken."""

NEAR_SECONDS = 0.1
"""Decoders differ by so much in what they make of an encoder's padding, and toolkits round lengths."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A source that can be trained on: where its 16 kHz audio lies, and how long it is in seconds."""

    source: Source
    path: Path
    duration: float
    offset: float = 0.0
    notes: tuple[str, ...] = ()


class _Aside(io.FileIO):
    """A file to be renamed once it is whole. libsndfile cannot say why writing failed, so the error is kept."""

    error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data)
        count = left.nbytes
        try:
            # A disk that is nearly full takes a part.
            while left.nbytes and self.error is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return count


def _cannot_keep(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"{folder}: cannot keep decoded audio ({error.strerror}); make room or allow writing, and run "
        "again: what is decoded already is kept"
    )


def _store(source: Source, content: memoryview, target: Path) -> Decoded:
    """Decode into a FLAC file, written aside and then renamed."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The writer is closed before what it writes into, also where decoding fails.
        with _Aside(aside, "w") as raw, ExitStack() as opened:

            def begin() -> Take:
                opened.close()
                raw.truncate(0)
                raw.seek(0)
                flac = soundfile.SoundFile(raw, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC")
                return cast(Take, opened.enter_context(flac).write)

            decoded = decode(source.name, content, begin, source.channel)
            opened.close()
            if raw.error is not None:
                raise raw.error
        if not decoded.faults:
            aside.replace(target)
        return decoded
    except OSError as error:
        raise _cannot_keep(target.parent, error) from None
    finally:
        with suppress(OSError):
            aside.unlink()


def _cached_samples(target: Path) -> int:
    """Samples of a cached file; 0 where it is missing or damaged."""
    try:
        return int(soundfile.info(target).frames)
    except soundfile.SoundFileError:
        return 0


def _key(path: Path, source: Source) -> str:
    status = path.stat()
    # By its real path: one that is come to by several links is decoded once, and found to be in use.
    parts = [
        VERSION,
        os.path.realpath(path),
        status.st_size,
        status.st_mtime_ns,
        source.member,
        source.part,
        source.channel,
    ]
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _decode(source: Source, content: memoryview, target: Path) -> Known:
    """Decode all of a file, into the cache where it cannot stay where it is.

    Raises:
        Unreadable: it cannot be decoded, or not all of it.
    """
    archived = source.part is not None and source.path.endswith(".tar")
    plain = (source.part is None or archived) and is_plain(source.name, content)
    decoded = decode(source.name, content, lambda: lambda _: None, source.channel) if plain else None
    if decoded is None or not (decoded.in_place or decoded.faults):
        plain, decoded = False, _store(source, content, target)
    if decoded.faults:
        raise Unreadable(source.name, decoded.faults[0].reason, decoded.faults[0].detail)
    return Known(decoded.samples, plain, tuple(decoded.notes), zlib.crc32(content) if plain and archived else None)


def _in_place(path: Path, source: Source, known: Known) -> Path:
    """The file, or its place in an archive."""
    if source.part is None or known.crc is None:
        return path
    return Path(str(Place(str(path.absolute()), *source.part, known.crc)))


def _prepare(folder: Path, source: Source, cache: Path, ledger: Ledger) -> tuple[Path, Known] | Rejection:
    """Where a source's audio lies, 16 kHz and mono; the whole of it, of whatever part the source is."""
    path = folder / source.path
    try:
        key = _key(path, source)
        target = cache / key[:2] / f"{key}.flac"
        known = ledger.find(key)
        if known is None or not (known.in_place or _cached_samples(target) == known.samples):
            known = _decode(source, read_content(folder, source), target)
            try:
                ledger.add(key, known)
            except OSError as error:
                raise _cannot_keep(cache, error) from None
    except Unreadable as error:
        return Rejection(source.name, error.reason, printable(error.detail))
    except OSError as error:
        return Rejection(source.name, "unreadable", error.strerror or "")
    return _in_place(path, source, known) if known.in_place else target, known


def _cut_out(source: Source, path: Path, known: Known) -> Ready | Rejection:
    """A source's part of its audio, on the grid of samples."""
    seconds = known.samples / SAMPLE_RATE
    if source.claim is not None and abs(source.claim - seconds) > NEAR_SECONDS:
        detail = f"{source.claim:.2f} s are declared, {seconds:.2f} s are there"
        return Rejection(source.name, "length differs", detail)
    end = seconds if source.seconds is None else source.offset + source.seconds
    if end > seconds + NEAR_SECONDS or source.offset >= seconds:
        detail = f"{source.id}: {source.offset:.2f} to {end:.2f} s of {seconds:.2f} s"
        return Rejection(source.name, "lies beyond the end of its audio", detail)
    first, stop = round(source.offset * SAMPLE_RATE), min(round(end * SAMPLE_RATE), known.samples)
    if stop <= first:
        return Rejection(source.name, "no audio in it", f"{source.id}: {source.offset:.2f} to {end:.2f} s")
    return Ready(source, path, (stop - first) / SAMPLE_RATE, first / SAMPLE_RATE, known.notes)


_File = tuple[str, tuple[int, int] | None, int | None]
"""Path, part and channel."""


def prepare_audio(
    folder: Path, sources: Sequence[Source], cache: Path, progress: Callable[[str], None] | None = None
) -> list[Ready | Rejection]:
    """Decode every file to its end, once; one result per source, in order.

    Args:
        folder: what the sources' paths are relative to, where they are.
        sources: utterances; several may lie in one file.
        cache: where decoded copies go; made where it is missing.
        progress: told, now and then, how far it is.

    Raises:
        UserError: the cache cannot be written.
    """
    ledger = Ledger(cache)
    files: dict[_File, Source] = {}
    for source in sources:
        files.setdefault((source.path, source.part, source.channel), source)
    prepared: dict[_File, tuple[Path, Known] | Rejection] = {}
    told = 0
    # libsndfile and soxr release the interpreter, so threads use all cores.
    with ThreadPoolExecutor(free_processors()) as pool:
        found = pool.map(lambda source: _prepare(folder, source, cache, ledger), files.values())
        for file, result in zip(files, found, strict=True):
            prepared[file] = result
            if progress and len(prepared) - told >= 1000:
                told = len(prepared)
                progress(f"{folder.name}: {told:,} of {len(files):,} files read")
    results: list[Ready | Rejection] = []
    for source in sources:
        result = prepared[source.path, source.part, source.channel]
        results.append(result if isinstance(result, Rejection) else _cut_out(source, *result))
    return results
