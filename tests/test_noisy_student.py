from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("kappa-asr") is None, reason="kappa-asr is not installed")
def test_a_round_trains_on_what_the_run_before_has_labeled(recipe: list[str], tmp_path: Path) -> None:
    pytest.importorskip("flashlight.lib.text", reason="needs the extra lm")
    script = ROOT / "recipes" / "librispeech" / "strategies" / "noisy-student.sh"
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(ROOT), "LM_WEIGHT": "0.3"}
    # Manifests of another corpus lie there, too.
    other = tmp_path / "exp" / "tiny" / "manifests" / "00000000"
    other.mkdir(parents=True)
    (other / "unlabeled.jsonl").touch()
    command = ["bash", str(script), "1", *recipe[1:], "--set", "pseudo.min_agreement=null"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    (run,) = (Path(line.partition(": ")[2]) for line in found.stdout.splitlines() if line.startswith("round "))
    assert (run / "complete.json").exists()
    (maker,) = json.loads((run / "labels.json").read_text())["makers"]
    assert "lm" in maker
    (seed,) = (path for path in run.parent.iterdir() if path != run)
    labels = json.loads((seed / "labels" / "labels.json").read_text())
    assert labels["utterances"] == 12
