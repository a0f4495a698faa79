from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from asr.data.manifest import Utterance, write_manifest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "train.py"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows: list[Utterance] = []
    for row in range(8):
        path = tmp_path / f"{row}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(2 * 16_000))
        rows.append(Utterance(str(row), str(path), 1.0, text="SEA SHELLS"))
    write_manifest(tmp_path / "labeled.jsonl", rows)
    return tmp_path / "labeled.jsonl"


def test_our_side_of_the_training_benchmark_tells_audio_and_cpu_seconds(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from sides import Side
    from train import make_task

    side = Side(
        [sys.executable, str(SCRIPT), "--own-side"],
        make_task(manifest, tmp_path / "given", 2.0) | {"precision": "fp32"},
    )
    done = side.ask("2")
    side.close()
    assert 1.9e6 < side.parameters < 2.1e6
    assert done["audio"] == 4.0
    assert done["cpu"] > 0
    assert json.loads((tmp_path / "given" / "tokens" / "tokens.json").read_text())["kind"] == "char"


def test_the_training_benchmark_says_what_it_needs(manifest: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(manifest), "--peer", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has no speechbrain" in done.stderr
