"""Reading utterances: 16 kHz mono 16-bit, ahead of the training step and off its thread."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

from asr.data.manifest import Manifest
from asr.data.packed import find_place, open_place
from asr.errors import UserError
from asr.processors import free_processors

SAMPLE_RATE = 16_000

LEAST_THREADS, MOST_THREADS = 2, 8
"""One decodes FLAC at thousands of times real time, of which a tenth is the interpreter's (`benchmarks/decode.py`)."""

Samples = npt.NDArray[np.int16]


def _open(path: str) -> soundfile.SoundFile:
    place = find_place(path)
    if place is not None:
        return soundfile.SoundFile(open_place(place))
    # Opening a named pipe would wait for ever, and libsndfile takes "-" for standard input.
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (called once an utterance)
        raise UserError(f"{path}: cannot read audio (not a regular file)")
    return soundfile.SoundFile(path)


OVERSHOOTING = ("VORBIS", "OPUS")
"""Decoders that go beyond full scale, where libsndfile's whole numbers turn around to the other sign."""


def _read(file: soundfile.SoundFile, count: int) -> Samples:
    if file.subtype not in OVERSHOOTING:
        found: Samples = file.read(count, dtype="int16")
        return found
    floats = file.read(count, dtype="float32") * np.float32(32768)
    clipped: Samples = np.rint(floats).clip(-32768, 32767).astype(np.int16)
    return clipped


def read_samples(path: str, offset: float, duration: float) -> Samples:
    """Samples `(samples,)` of one utterance; offset and duration in seconds.

    Args:
        path: of a file, or of a place in a tar (`asr.data.packed`).
        offset: where the utterance begins in it, in seconds.
        duration: in seconds.

    Raises:
        UserError: the file cannot be read, is shorter than it should be, or is not 16 kHz mono; the tar is not there,
            or holds something else at that place.
    """
    try:
        with _open(path) as file:
            if file.samplerate != SAMPLE_RATE or file.channels != 1:
                found = f"{file.samplerate} Hz, {file.channels} channels"
                raise UserError(f"{path}: expected 16000 Hz mono, found {found}; run the manifest stage again")
            count = round(duration * SAMPLE_RATE)
            file.seek(round(offset * SAMPLE_RATE))
            samples: Samples = _read(file, count)
    except (OSError, ValueError, OverflowError, MemoryError, soundfile.SoundFileError) as error:
        # Not of a file in memory, which it knows by its address.
        told = error.error_string if isinstance(error, soundfile.LibsndfileError) else error
        raise UserError(f"{path}: cannot read audio ({told})") from None
    if len(samples) < count:
        raise UserError(f"{path}: truncated ({len(samples)} of {count} samples at {offset:g} s)")
    return samples


@dataclass(frozen=True)
class Reading:
    """An utterance as it was read; without samples, and with an error, where it could not be."""

    id: str
    samples: Samples
    error: str | None = None


def _cores() -> int:
    """Threads that this process has cores for, beside the other processes of its machine."""
    return max(LEAST_THREADS, min(MOST_THREADS, free_processors() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


class AudioReader:
    """Reads micro-batches on a few threads (libsndfile releases the interpreter), some batches ahead.

    An utterance that cannot be read comes back empty, and its error is kept in `errors` once it is asked for.
    """

    def __init__(self, threads: int, max_errors: int) -> None:
        """`threads` is 0 for as many as there are cores for; `max_errors` is of utterances, before it gives up."""
        self._pool = ThreadPoolExecutor(threads or _cores(), thread_name_prefix="audio")
        self._max_errors = max_errors
        self.errors: dict[str, str] = {}
        self.others = 0
        """How many of `errors` other processes have met with, which count against their bound."""

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, manifest: Manifest, row: int) -> Reading:
        utterance = manifest[row]
        path = utterance.audio_filepath
        try:
            return Reading(utterance.id, read_samples(path, utterance.offset, utterance.duration))
        except UserError as error:
            return Reading(utterance.id, np.zeros(0, dtype=np.int16), f"utterance {utterance.id!r}: {error}")
        except Exception as error:
            # It surfaces in another thread, where nothing else says what was being read.
            raise RuntimeError(f"{path}: reading utterance {utterance.id!r} crashed") from error

    def submit(self, manifest: Manifest, rows: Iterable[int]) -> list[Future[Reading]]:
        """Start reading; `gather` waits."""
        return [self._pool.submit(self._read, manifest, int(row)) for row in rows]

    def gather(self, reading: list[Future[Reading]]) -> list[Samples]:
        """The samples of each utterance.

        Raises:
            UserError: more utterances than `max_errors` could not be read so far.
            RuntimeError: naming the file whose reading crashed.
        """
        done = [future.result() for future in reading]
        # Noted here and not by the threads, which run ahead by as much as chance has it.
        self.errors.update({r.id: r.error for r in done if r.error is not None})
        if len(self.errors) - self.others > self._max_errors:
            listed = "\n  ".join(list(self.errors.values())[:10])
            raise UserError(f"{len(self.errors)} utterances could not be read, among them:\n  {listed}")
        return [r.samples for r in done]

    def ahead(self, batches: Iterable[tuple[Manifest, Iterable[int]]], depth: int) -> Iterator[list[Samples]]:
        """The samples of each batch in order, `depth` batches being read ahead."""
        waiting: deque[list[Future[Reading]]] = deque()
        for manifest, rows in batches:
            waiting.append(self.submit(manifest, rows))
            if len(waiting) > depth:
                yield self.gather(waiting.popleft())
        while waiting:
            yield self.gather(waiting.popleft())
