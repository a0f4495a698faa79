import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from asr.data.manifest import Utterance, write_manifest

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_decoding_prints_each_form_s_speed_and_what_a_rank_needs(tmp_path: Path) -> None:
    rows: list[Utterance] = []
    for row in range(2):
        path = tmp_path / f"{row}.flac"
        soundfile.write(path, np.random.default_rng(row).integers(-9, 9, 16_000).astype(np.int16), 16_000)
        rows.append(Utterance(f"u{row}", str(path), 1.0, speaker="s"))
    write_manifest(tmp_path / "labeled.jsonl", rows)
    command = [sys.executable, "benchmarks/decode.py", str(tmp_path / "labeled.jsonl"), "--rounds", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for form in ("files as they are", "the same in a pack", "Opus files", "MP3 files"):
        assert f"{form}: " in told
    assert told.count("1500 × real time takes") == 4
