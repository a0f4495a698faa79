"""Decoding of audio: hours a second of a core, from files and from a pack; whether threads share cores like processes.

    python benchmarks/decode.py LABELED.jsonl --seconds 600

The manifest is one that stage 1 has written, of 16 kHz FLAC or WAV. What training reads, a file or a place in a pack,
is read by training's own `read_samples`. Opus and MP3, which stage 1 decodes once, are encoded of the same audio and
decoded whole, by libsndfile alone. All take turns. CPU seconds are the process's.

Wall time of two workers says something of them where two cores are free, and where they are not, only how threads fare
beside processes. The interpreter's share holds anywhere: CPU time outside of libsndfile, within which no other thread
can run Python, so that threads do no more than 1 / share of what one does. What libsndfile asks back to read a pack's
bytes from memory, 2 calls for each 15 kB, is not in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import soundfile

from asr.data.audio import SAMPLE_RATE, read_samples
from asr.data.manifest import Utterance, read_manifest
from asr.data.packed import PACK
from data_prep.formats.listing import list_any
from data_prep.pack import pack

NEEDED = 1500.0
"""Seconds of audio a second that a rank of a fast GPU may ask for."""
Read = Callable[[Utterance], int]


def read_row(row: Utterance) -> int:
    """As training does; returns the samples."""
    return len(read_samples(row.audio_filepath, row.offset, row.duration))


def read_whole(row: Utterance) -> int:
    return len(soundfile.read(row.audio_filepath, dtype="int16")[0])


@dataclass(frozen=True)
class Form:
    """A corpus in one form, and how a row of it is read."""

    name: str
    rows: Sequence[Utterance]
    read: Read


def take(manifest: Path, seconds: float) -> list[Utterance]:
    rows: list[Utterance] = []
    for row in read_manifest(manifest):
        if sum(r.duration for r in rows) >= seconds:
            break
        rows.append(row)
    return rows


def encoded(rows: Iterable[Utterance], folder: Path, form: str, subtype: str) -> list[Utterance]:
    folder.mkdir()
    found: list[Utterance] = []
    for row in rows:
        path = folder / f"{row.id}.{subtype.lower()}"
        samples = read_samples(row.audio_filepath, row.offset, row.duration)
        soundfile.write(path, samples, SAMPLE_RATE, format=form, subtype=subtype)
        found.append(replace(row, audio_filepath=str(path), offset=0.0))
    return found


def packed(manifest: Path, rows: Iterable[Utterance], folder: Path) -> list[Utterance]:
    listing = list_any(manifest)
    ids = {row.id for row in rows}
    listing.sources = [source for source in listing.sources if source.id in ids]
    pack(listing, folder, 10**9, lambda _: None)
    return list(read_manifest(folder / PACK))


def timed(form: Form) -> tuple[float, float]:
    """CPU and wall seconds for all rows."""
    begun = time.process_time(), time.perf_counter()
    for row in form.rows:
        form.read(row)
    return time.process_time() - begun[0], time.perf_counter() - begun[1]


def shared(form: Form, workers: Executor) -> float:
    """Wall seconds for all rows on the workers, two at a time."""
    begun = time.perf_counter()
    portions = [form.rows[first : first + 2] for first in range(0, len(form.rows), 2)]
    for done in [workers.submit(read_portion, form.read, portion) for portion in portions]:
        done.result()
    return time.perf_counter() - begun


def read_portion(read: Read, rows: Sequence[Utterance]) -> int:
    return sum(read(row) for row in rows)


def in_python(form: Form) -> float:
    """The share of a decoding's CPU time that is not spent in libsndfile, which lets others have the interpreter."""
    spent = 0.0
    library = soundfile._snd

    class Timed:
        def __getattr__(self, name: str) -> object:
            found = getattr(library, name)
            if not name.startswith("sf_"):
                return found

            def call(*arguments: object) -> object:
                nonlocal spent
                begun = time.thread_time()
                try:
                    return found(*arguments)
                finally:
                    spent += time.thread_time() - begun

            return call

    soundfile._snd = Timed()
    try:
        begun = time.thread_time()
        for row in form.rows:
            form.read(row)
        whole = time.thread_time() - begun
    finally:
        soundfile._snd = library
    return 1 - spent / whole


def spread(values: Sequence[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} – {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("manifest", type=Path, help="labeled.jsonl of stage 1")
    parser.add_argument("--seconds", type=float, default=600.0, help="of audio (default: 600)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is done (default: 5)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        ThreadPoolExecutor(2) as threads,
        ThreadPoolExecutor(1) as one_thread,
        ProcessPoolExecutor(2) as processes,
    ):
        folder = Path(name)
        rows = take(arguments.manifest, arguments.seconds)
        forms = [
            Form("files as they are", rows, read_row),
            Form("the same in a pack", packed(arguments.manifest, rows, folder / "pack"), read_row),
            Form("Opus files", encoded(rows, folder / "opus", "OGG", "OPUS"), read_whole),
            Form("MP3 files", encoded(rows, folder / "mp3", "MP3", "MPEG_LAYER_III"), read_whole),
        ]
        alone = [[timed(form)[0] for form in forms] for _ in range(arguments.rounds)]
        for pool in (threads, one_thread, processes):
            shared(forms[0], pool)
        walls = [
            [[shared(form, pool) for pool in (one_thread, threads, processes)] for form in forms]
            for _ in range(arguments.rounds)
        ]
        shares = [in_python(form) for form in forms]
    hours = sum(row.duration for row in rows) / 3600
    print(f"{hours:.2f} h in {len(rows)} utterances, {arguments.rounds} rounds; median (least – most)")
    for number, form in enumerate(forms):
        speeds = [hours / cpu[number] for cpu in alone]
        gain, beside = ([wall[number][a] / wall[number][b] for wall in walls] for a, b in ((0, 1), (2, 1)))
        print(
            f"{form.name}: {spread(speeds)} h a CPU second, so {NEEDED:g} × real time takes "
            f"{NEEDED / 3600 / median(speeds):.2f} cores; 2 threads are {spread(gain)} times as fast as 1, and "
            f"{spread(beside)} times as fast as 2 processes; the interpreter's share is {100 * shares[number]:.1f} %"
        )


if __name__ == "__main__":
    main()
