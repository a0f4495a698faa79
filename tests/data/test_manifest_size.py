"""What a manifest costs. `ASR_ROWS=1000000 pytest -s tests/data/test_manifest_size.py` prints it for a million rows."""

from __future__ import annotations

import json
import os
import resource
import time
import tracemalloc
from pathlib import Path

import numpy as np

from asr.data.batching import Grid, Stream
from asr.data.manifest import read_manifest

ROWS = int(os.environ.get("ASR_ROWS", "20000"))
TEXT = "A TRANSCRIPT OF ABOUT THE LENGTH THAT LIBRISPEECH HAS ON AVERAGE WHICH IS SOME TWELVE SECONDS OF SPEECH " * 2


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_rows_are_columns_and_an_epoch_takes_no_memory_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    seconds = np.random.default_rng(0).gamma(4.0, 3.0, ROWS).clip(1.0, 16.0).round(3)
    with path.open("w") as file:
        for row, duration in enumerate(seconds.tolist()):
            audio = f"/corpora/LibriSpeech/train-clean-360/{row // 100}/{row // 10}/{row:09d}.flac"
            line = {"id": f"{row:09d}", "audio_filepath": audio, "offset": 0.0, "duration": duration}
            file.write(json.dumps(line | {"speaker": str(row // 100), "text": TEXT}) + "\n")
    before, begun = peak_bytes(), time.process_time()
    manifest = read_manifest(path)
    loaded, after = time.process_time() - begun, peak_bytes()
    bare = len(TEXT) + len(audio) + len("000000000") + len("1234")
    assert manifest.nbytes / ROWS < bare + 60

    stream = Stream(manifest.durations, Grid(60.0, 90.0), 0.02, seed=1)
    begun = time.process_time()
    stream.take(1)
    planned = time.process_time() - begun
    stream.seek(0, 0)
    read = 0
    tracemalloc.start()
    while stream.epoch == 0:
        for batch in stream.take(100):
            read += sum(len(manifest[int(row)].text or "") for row in batch.rows)
    assert read >= ROWS * len(TEXT)
    _, grown = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"\n{ROWS:,} rows: {manifest.nbytes / ROWS:.0f} bytes each; {(after - before) / ROWS:.0f} at the peak of "
        f"loading, {loaded:.1f} s of CPU; an epoch's plan {planned:.2f} s; {grown / ROWS:.0f} more over an epoch"
    )
    # Its plan. Rows that were kept would take hundreds of bytes each.
    assert grown < 100 * ROWS
