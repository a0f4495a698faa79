"""What a manifest costs. `ASR_ROWS=1000000 pytest -s tests/data/test_manifest_size.py` prints it for a million rows."""

from __future__ import annotations

import os
import resource
import shutil
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.data.batching import MOST_ROWS, Grid, Stream
from asr.data.columns import columns_folder
from asr.data.manifest import MANY, Utterance, read_manifest, write_manifest

ROWS = int(os.environ.get("ASR_ROWS", "20000"))
TEXT = "A TRANSCRIPT OF ABOUT THE LENGTH THAT LIBRISPEECH HAS ON AVERAGE WHICH IS SOME TWELVE SECONDS OF SPEECH " * 2


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def utterances(seconds: list[float]) -> Iterator[Utterance]:
    for row, duration in enumerate(seconds):
        audio = f"/corpora/LibriSpeech/train-clean-360/{row // 100}/{row // 10}/{row:09d}.flac"
        yield Utterance(f"{row:09d}", audio, duration, 0.0, str(row // 100), TEXT)


def test_rows_are_columns_that_are_mapped_and_an_epoch_takes_no_memory_that_grows(tmp_path: Path) -> None:
    path, rows = tmp_path / "rows.jsonl", max(ROWS, MANY)
    seconds = np.random.default_rng(0).gamma(4.0, 3.0, rows).clip(1.0, 16.0).round(3).tolist()
    begun = time.process_time()
    write_manifest(path, utterances(seconds))
    written, before, begun = time.process_time() - begun, peak_bytes(), time.process_time()
    manifest = read_manifest(path)
    opened, after = time.process_time() - begun, peak_bytes()
    bare = len(TEXT) + len(manifest.paths[0]) + len("000000000") + len("1234")
    assert manifest.nbytes / rows < bare + 60

    stream = Stream(manifest.durations, Grid(60.0, 90.0), 0.02, seed=1)
    begun = time.process_time()
    stream.take(1)
    planned = time.process_time() - begun
    stream.seek(0, 0)
    read = 0
    tracemalloc.start()
    while stream.epoch < -(-rows // MOST_ROWS):
        for batch in stream.take(100):
            read += sum(len(manifest[int(row)].text or "") for row in batch.rows)
    assert read >= rows * len(TEXT)
    _, grown = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    parsed = time.process_time()
    shutil.rmtree(columns_folder(path))
    assert read_manifest(path).nbytes == manifest.nbytes
    parsed = time.process_time() - parsed
    print(
        f"\n{rows:,} rows: {manifest.nbytes / rows:.0f} bytes each on disk; written in {written:.1f} s of CPU; opened "
        f"in {opened:.4f} s, by {(after - before) / rows:.1f} bytes each, {parsed:.1f} s without columns; a part of an "
        f"epoch planned in {planned:.2f} s; {grown / rows:.0f} bytes each more over an epoch"
    )
    # The plan of a part, and what Python takes by the way. Rows that were kept would take hundreds of bytes each.
    assert grown < 100 * min(rows, MOST_ROWS) + 3_000_000
