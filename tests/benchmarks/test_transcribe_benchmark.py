import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "transcribe.py"


def test_our_side_transcribes_with_plain_layers_of_as_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from sides import Side
    from transcribe import FORMS, make_task

    from asr.recognizer.shipped import shipped_model
    from asr.recognizer.trained import find_trained

    side = Side([sys.executable, str(SCRIPT), "--own-side", FORMS[1]], make_task(shipped_model()))
    done = side.ask(json.dumps([str(ROOT / "tests" / "speech")]))
    side.close()
    shipped = sum(tensor.numel() for tensor in find_trained(shipped_model()).weights.values())
    assert abs(side.parameters / shipped - 1) < 0.01
    assert done["audio"] > 9
    assert done["cpu"] > 0
    assert done["signs"] > 0


@pytest.mark.parametrize(("option", "package"), [("--peer", "speechbrain"), ("--nemo", "nemo")])
def test_it_says_what_it_needs(tmp_path: Path, option: str, package: str) -> None:
    other = tmp_path / "python"
    # The other peer is there.
    other.write_text("#!/bin/sh\nexit 0\n")
    other.chmod(0o755)
    peers = {"--peer": str(other), "--nemo": str(other)} | {option: sys.executable}
    command = [
        sys.executable,
        str(SCRIPT),
        str(ROOT / "tests" / "speech"),
        *(w for pair in peers.items() for w in pair),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"has no {package}" in done.stderr
