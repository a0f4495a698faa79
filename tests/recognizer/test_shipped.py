from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from asr.cli.main import main
from asr.decode.tuning import Tuned, fingerprint, write_tuned
from asr.recognizer.trained import find_trained


@pytest.fixture
def arpa(small_run: Path, tmp_path: Path) -> Path:
    texts = tmp_path / "text.txt"
    texts.write_text("SHE SELLS SEA SHELLS\nBY THE SEA SHORE\nTHE SHELLS SHE SELLS\n")
    arguments = ["--tokens", str(small_run / "tokens"), "--order", "2", "--out", str(tmp_path / "two.words.arpa.gz")]
    assert main(["lm", str(texts), *arguments]) == 0
    return tmp_path / "two.words.arpa.gz"


def tune(run: Path, lm: Path) -> None:
    write_tuned(run, Tuned(fingerprint(lm), str(lm), "", 0.7, -1.0, 0.5, "teacher", "dev", 10))


def test_weights_of_half_the_size_are_all_but_the_same(small_run: Path, tmp_path: Path) -> None:
    for name, options in (("whole", []), ("half", ["--half"])):
        assert main(["export", str(small_run), str(tmp_path / name), *options]) == 0
    whole, half = (tmp_path / name / "model.safetensors" for name in ("whole", "half"))
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    assert {tensor.dtype for tensor in load_file(half).values()} == {torch.float16}
    exact, rounded = (find_trained(tmp_path / name).weights for name in ("whole", "half"))
    for key, tensor in exact.items():
        assert rounded[key].dtype == torch.float32
        assert torch.allclose(rounded[key], tensor, rtol=1e-3, atol=1e-4)


def test_a_folder_with_a_language_model_of_its_own_uses_it(
    small_run: Path, arpa: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    assert main(["export", str(small_run), str(tmp_path / "no"), "--lm", str(arpa)]) == 2
    assert "has not been tuned" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    tune(small_run, arpa)
    assert main(["export", str(small_run), str(tmp_path / "out"), "--lm", str(arpa)]) == 0
    (small_run / "tuned.json").unlink()
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert (moved / "lm.words.arpa.gz").read_bytes() == arpa.read_bytes()
    assert json.loads((moved / "tuned.json").read_text())[0]["lm"] == "lm.words.arpa.gz"
    capsys.readouterr()
    heard = str(audio_folder / "a.flac")
    assert main(["transcribe", str(moved), heard]) == 0
    seen = capsys.readouterr()
    assert "lm.words.arpa.gz, weight 0.7, word score -1" in seen.err
    assert set(seen.out.split()) <= set("SHE SELLS SEA SHELLS BY THE SHORE".split())
    assert main(["transcribe", str(moved), heard, "--decoder", "greedy"]) == 0
    assert "weight" not in capsys.readouterr().err
    # Exported again, it still has it.
    assert main(["export", str(moved), str(tmp_path / "again"), "--half"]) == 0
    assert (tmp_path / "again" / "lm.words.arpa.gz").read_bytes() == arpa.read_bytes()
    capsys.readouterr()
    assert main(["transcribe", str(tmp_path / "again"), heard]) == 0
    assert "lm.words.arpa.gz, weight 0.7" in capsys.readouterr().err


def test_where_no_model_is_named_the_shipped_one_hears(
    small_run: Path,
    audio_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("asr.recognizer.shipped.SHIPPED", tmp_path / "shipped")
    heard = str(audio_folder / "a.flac")
    assert main(["transcribe", heard]) == 2
    assert "none came with this program" in capsys.readouterr().err
    assert main(["export", str(small_run), str(tmp_path / "shipped")]) == 0
    capsys.readouterr()
    assert main(["transcribe", heard]) == 0
    text = capsys.readouterr().out
    assert main(["transcribe", str(small_run), heard]) == 0
    assert capsys.readouterr().out == text
    assert main(["align", heard, "--text", "SEA SHELLS", "--format", "ctm"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["transcribe", str(small_run)]) == 2
    assert "is a model, and no audio is named" in capsys.readouterr().err
