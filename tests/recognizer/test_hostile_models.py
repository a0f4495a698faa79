"""Exported folders and runs that somebody has written over: one line that names the file, and no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from asr.cli.main import main
from asr.errors import UserError
from asr.recognizer.folder import write_folder
from asr.recognizer.trained import find_trained

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just(10**400)
JSON = st.recursive(SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3))


@pytest.fixture(scope="module")
def exported(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    write_folder(find_trained(small_run), out)
    return out


@pytest.fixture
def spoiled(exported: Path, tmp_path: Path) -> Callable[[str, Any], Path]:
    """A copy of the exported folder with one setting, by dotted name, replaced."""

    def spoil(name: str, value: Any) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(exported, folder, dirs_exist_ok=True)
        content = json.loads((exported / "recognizer.json").read_text())
        section, _, inner = name.rpartition(".")
        (content[section] if section else content)[inner] = value
        (folder / "recognizer.json").write_text(json.dumps(content))
        return folder

    return spoil


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("format", "x", "not a whole exported folder (format 'x')"),
        ("format", 99, "recognizer.json: format 99, but this program reads up to"),
        ("model", [], "model must be settings by name"),
        ("model.width", "32", "recognizer.json: model.width must be a whole number; found '32'"),
        ("model.width", 64, "tensor 'blocks.0.inner.weight' should be [48, 64] and is [48, 32]"),
        ("model.width", 10**30, "the weights do not fit the settings"),
        ("model.layers", 10**9, "1000000000 layers, but"),
        ("model.layers", 1, "tensor 'blocks.1.inner.bias' is none of this model's"),
        ("model.wdith", 32, "unknown setting 'model.wdith'; did you mean 'model.width'?"),
        ("features.mels", 40, "tensor 'frontend.conv.weight' should be"),
        ("utterance_seconds", ["a", 2], "not a whole exported folder"),
        ("utterance_seconds", [3, 2], "not a whole exported folder (utterance_seconds [3, 2])"),
        ("utterance_seconds", 7, "not a whole exported folder"),
        ("origin", 7, "not a whole exported folder"),
    ],
)
def test_a_setting_that_is_wrong_is_one_line(
    spoiled: Callable[[str, Any], Path], name: str, value: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = spoiled(name, value)
    assert main(["export", str(folder), str(folder.parent / "again")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"kappa-asr: error: {folder}")
    assert message in said
    assert said.count("\n") == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_of_any_setting_is_taken_or_refused_by_its_file(
    spoiled: Callable[[str, Any], Path], exported: Path, data: st.DataObject
) -> None:
    content = json.loads((exported / "recognizer.json").read_text())
    names = [*content, *(f"{section}.{name}" for section in ("features", "model") for name in content[section])]
    folder = spoiled(data.draw(st.sampled_from(names)), data.draw(JSON))
    said = str(folder)
    try:
        find_trained(folder)
    except UserError as error:
        said = str(error)
    assert str(folder) in said
    assert "\n" not in said


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff", b"{}", 100_000 * b"["])
def test_settings_that_are_no_settings_are_refused(content: bytes, spoiled: Callable[[str, Any], Path]) -> None:
    folder = spoiled("format", 1)
    (folder / "recognizer.json").write_bytes(content)
    with pytest.raises(UserError, match="not a whole exported folder"):
        find_trained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.bias": None}, "tensor 'head.bias' is missing"),
        ({"blocks.0.out.weight": None}, "tensor 'blocks.0.out.weight' is missing"),
        ({"extra": torch.zeros(1)}, "tensor 'extra' is none of this model's"),
        ({"head.weight": torch.zeros(29, 31)}, r"tensor 'head.weight' should be \[29, 32\] and is \[29, 31\]"),
        ({"head.bias": torch.tensor(1.0)}, r"tensor 'head.bias' should be \[1\] and is \[\]"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_tensor_that_is_missing_extra_or_of_another_shape_is_named(
    change: dict[str, torch.Tensor | None], message: str, spoiled: Callable[[str, Any], Path]
) -> None:
    folder = spoiled("format", 1)
    weights = load_file(folder / "model.safetensors") | change
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, folder / "model.safetensors")
    with pytest.raises(UserError, match=f"recognizer.json and model.safetensors: .*{message}"):
        find_trained(folder)


def test_a_run_whose_settings_are_of_another_model_is_refused(small_run: Path, tmp_path: Path) -> None:
    for name in ("checkpoints", "tokens"):
        (tmp_path / name).symlink_to(small_run / name)
    text = (small_run / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("width: 32", "width: 64"))
    with pytest.raises(UserError, match=r"config.yaml and checkpoints: the weights do not fit the settings \(tensor"):
        find_trained(tmp_path)


@pytest.mark.parametrize(
    "seconds", ['["a", 2]', "[1]", "[1, 2, 3, 4]", "7", "null", "[NaN, 2]", "[1, Infinity]", "[3, 2]"]
)
def test_lengths_that_training_did_not_write_are_refused(seconds: str, small_run: Path, tmp_path: Path) -> None:
    for name in ("checkpoints", "config.yaml", "tokens"):
        (tmp_path / name).symlink_to(small_run / name)
    (tmp_path / "lengths.json").write_text(f'{{"utterance_seconds": {seconds}}}')
    with pytest.raises(UserError, match=r"lengths\.json: not what training writes"):
        find_trained(tmp_path)


@pytest.mark.parametrize("tokens", ['{"kind": "bpe"}', '{"kind": 7}', "[]"])
def test_tokens_without_their_pieces_are_refused(tokens: str, spoiled: Callable[[str, Any], Path]) -> None:
    folder = spoiled("format", 1)
    (folder / "tokens" / "tokens.json").write_text(tokens)
    with pytest.raises(UserError, match="tokens: no token inventory"):
        find_trained(folder)
