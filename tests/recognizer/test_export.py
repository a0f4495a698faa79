from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_model import SMALL, make_run, noise

from asr.config import ModelConfig, TokenConfig
from asr.errors import UserError
from asr.recognizer import onnx_model, standalone
from asr.recognizer.folder import write_folder
from asr.recognizer.onnx_model import largest_difference, reference
from asr.recognizer.recognizer import Recognizer, WindowSettings
from asr.recognizer.trained import find_trained


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(
    "model",
    [
        SMALL,
        dataclasses.replace(SMALL, norm="post", positions="cape", stride=4, kernel=5),
        dataclasses.replace(SMALL, layers=4, convolution=5, half_rate=2, intermediate=(3,)),
        dataclasses.replace(SMALL, norm="post", positions="cape", layers=3, convolution=3, half_rate=1),
        dataclasses.replace(SMALL, proxy_head_width=4),
    ],
    ids=["rotary", "cape", "convolutions at two rates", "both, normalised after", "scaled by the width of heads"],
)
def test_the_loader_computes_what_was_trained(model: ModelConfig, tmp_path: Path) -> None:
    trained = find_trained(make_run(tmp_path / "run", model))
    write_folder(trained, tmp_path / "out")
    loaded = standalone.load(tmp_path / "out")
    waveforms, lengths = torch.zeros(3, 64_000, dtype=torch.int16), torch.tensor([64_000, 31_111, 500])
    for row, length in enumerate(lengths.tolist()):
        waveforms[row, :length] = torch.from_numpy(noise(length / 16_000, row))[:length]
    waveforms[0, 20_000:30_000] = 0
    expected, frames = reference(trained, waveforms, lengths)
    with torch.no_grad():
        found, counted = loaded(waveforms.float() / 32768, lengths)
    assert counted.tolist() == frames.tolist()
    assert largest_difference(found, expected, frames) < 1e-3


def test_an_exported_folder_is_the_same_model(small_run: Path, tmp_path: Path) -> None:
    trained = find_trained(small_run)
    write_folder(trained, tmp_path / "out")
    again = find_trained(tmp_path / "out")
    assert equal(trained.weights, again.weights)
    assert (again.features, again.model, again.origin) == (trained.features, trained.model, trained.origin)
    settings = json.loads((tmp_path / "out" / "recognizer.json").read_text())
    assert (settings["origin"]["step"], settings["normaliser"]) == (3, "upper")


def test_the_folder_works_where_the_toolkit_is_not_installed(tmp_path: Path) -> None:
    import soundfile

    trained = find_trained(make_run(tmp_path / "run", tokens=TokenConfig(kind="bpe", size=24)))
    write_folder(trained, tmp_path / "out")
    samples = noise(3.0)
    soundfile.write(tmp_path / "a.flac", samples, 16_000, subtype="PCM_16")
    # With -I neither the working directory nor PYTHONPATH is searched, and asr must not be imported if installed.
    code = (
        "import runpy, sys; sys.modules['asr'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "out" / "load.py"), str(tmp_path / "a.flac")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    words = Recognizer(trained, WindowSettings(), torch.device("cpu")).words([samples])[0]
    assert done.stdout.strip() == " ".join(w.text for w in words)
    assert words


def test_nothing_is_overwritten_and_nothing_half_written(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = find_trained(small_run)
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="is there already"):
        write_folder(trained, tmp_path / "there")

    def fail(*_: object) -> None:
        raise UserError("no")

    monkeypatch.setattr("asr.recognizer.folder.write_onnx", fail)
    with pytest.raises(UserError, match="no"):
        write_folder(trained, tmp_path / "out", onnx=True)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_a_damaged_folder_is_a_user_error(small_run: Path, tmp_path: Path) -> None:
    write_folder(find_trained(small_run), tmp_path / "out")
    (tmp_path / "out" / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="not a whole exported folder"):
        find_trained(tmp_path / "out")


def alone_and_beside_others(model: Path) -> float:
    """The largest difference in log-probability of what is heard of one recording, the others being louder."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    waveforms, lengths = onnx_model.probe(3, 2.0)
    quiet = int(lengths[2])
    floats = (waveforms.float() / 32768).numpy()
    floats[2] /= 100
    together, frames = session.run(None, {"waveforms": floats, "lengths": lengths.numpy()})
    alone, _ = session.run(None, {"waveforms": floats[2:, :quiet], "lengths": lengths[2:].numpy()})
    count = int(frames[2])
    return float(abs(together[2, :count] - alone[0, :count]).max())


def test_weights_of_8_bits_are_a_form_of_an_onnx_model(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ask for --onnx or --sherpa as well"):
        write_folder(find_trained(small_run), tmp_path / "out", int8=True)


def test_onnx_runtime_computes_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    trained = find_trained(make_run(tmp_path / "run", dataclasses.replace(SMALL, convolution=3, half_rate=1)))
    differences = write_folder(trained, tmp_path / "out", onnx=True, int8=True)
    assert list(differences) == ["model.onnx", "model.int8.onnx"]
    assert differences["model.onnx"] <= onnx_model.TOLERANCE < differences["model.int8.onnx"] < 0.5
    whole, small = ((tmp_path / "out" / name).stat().st_size for name in differences)
    assert 10_000 < small < whole
    assert alone_and_beside_others(tmp_path / "out" / "model.int8.onnx") < onnx_model.TOLERANCE
    # The comparison can fail: with other weights than those exported.
    other = find_trained(tmp_path / "run", "student")
    monkeypatch.setattr(onnx_model, "_export", lambda *_: None)
    with pytest.raises(UserError, match="log-probabilities differ"):
        onnx_model.write_onnx(other, tmp_path / "out")


def test_onnx_without_its_extra_says_what_to_install(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install kappa-asr\[onnx\]"):
        write_folder(find_trained(small_run), tmp_path / "out", onnx=True)
