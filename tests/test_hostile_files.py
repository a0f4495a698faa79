"""Files that nobody in their right mind would write: an error that says what is wrong, or nothing, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.checkpoint.checkpoint import (
    Checkpoint,
    DamagedCheckpoint,
    _seal,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from asr.config import Config
from asr.config_file import load_config, to_dict
from asr.data.audio import read_samples
from asr.data.manifest import read_manifest
from asr.errors import UserError
from asr.score.transcripts import read_transcripts
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3))
FUZZ = settings(max_examples=40, deadline=None)


@contextmanager
def file_of(content: bytes, name: str = "file") -> Iterator[Path]:
    """A file alone in its folder; nothing else may be there afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path
        assert [p.name for p in Path(folder).iterdir()] == [name]
        assert path.read_bytes() == content


ROW = st.fixed_dictionaries(
    {},
    optional={
        "audio_filepath": SCALARS | st.sampled_from(["/a.flac", "../../a.flac", "a\0b", "-"]),
        "duration": SCALARS | st.sampled_from([1.0, 10**400, -1, 1e300]),
        "offset": SCALARS | st.sampled_from([0.0, 1e308]),
        "id": SCALARS | st.sampled_from(["a", "../../etc/x", "a b", "a\nb"]),
        "speaker": SCALARS,
        "text": JSON,
    },
)


@FUZZ
@given(st.lists(ROW.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=20), max_size=4))
def test_any_manifest_is_read_or_refused_with_its_line(lines: list[str]) -> None:
    with file_of("\n".join(lines).encode(errors="replace")) as path:
        try:
            manifest = read_manifest(path)
        except UserError as error:
            said = str(error)
        else:
            said = ""
        assert said == "" or str(path) in said
        assert len(said) < 1000
        if said:
            return
        for utterance in manifest:
            assert 0 < utterance.duration < 1e9
            assert utterance.id.split() == [utterance.id]
            assert Path(utterance.audio_filepath).is_absolute()


@FUZZ
@given(st.binary(max_size=80))
def test_any_bytes_are_no_manifest_transcript_or_settings_that_crash(content: bytes) -> None:
    with file_of(content) as path:
        for read in (read_manifest, read_transcripts, load_config):
            with suppress(UserError):
                read(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"audio_filepath": "../../etc/passwd", "duration": 1}', "line 1: '../../etc/passwd' leads out"),
        ('{"audio_filepath": "a\\u0000.flac", "duration": 1}', "must be the path of a file"),
        ('{"audio_filepath": "", "duration": 1}', "must be the path of a file"),
        ('{"audio_filepath": "/a.flac", "duration": 1' + 5000 * "0" + "}", "line 1: not valid JSON"),
        ('{"audio_filepath": "/a.flac", "duration": 1' + 400 * "0" + "}", "must be a number of seconds"),
        ('{"audio_filepath": "/a.flac", "duration": 1, "offset": 1e308}', "must be a number of seconds"),
        ('{"audio_filepath": "/a.flac", "duration": 1, "id": "a\\nb"}', "must be one word"),
        ('{"audio_filepath": "/\\ud800.flac", "duration": 1}', "not valid Unicode"),
        (100_000 * "[", "not valid JSON"),
    ],
)
def test_a_hostile_row_is_refused(row: str, message: str) -> None:
    with file_of(row.encode()) as path, pytest.raises(UserError, match=message):
        read_manifest(path)


def test_a_relative_path_is_taken_from_the_manifest_s_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"audio_filepath": "audio/a.flac", "duration": 1}\n')
    assert read_manifest(tmp_path / "rows.jsonl")[0].audio_filepath == str(tmp_path / "audio" / "a.flac")


@FUZZ
@given(st.binary(max_size=200), st.floats(0, 1e9), st.floats(0, 1e9))
def test_any_bytes_are_no_audio_that_crashes(content: bytes, offset: float, duration: float) -> None:
    with file_of(b"RIFF" + content) as path, suppress(UserError):
        read_samples(str(path), offset, duration)


@FUZZ
@given(st.data())
def test_any_value_of_any_setting_is_taken_or_refused(data: st.DataObject) -> None:
    content = to_dict(Config())
    section = data.draw(st.sampled_from(sorted(content)))
    value = data.draw(JSON)
    if isinstance(content[section], dict) and data.draw(st.booleans()):
        content[section][data.draw(st.sampled_from(sorted(content[section])))] = value
    else:
        content[section] = value
    with file_of(yaml.safe_dump(content).encode()) as path, suppress(UserError):
        load_config(path)


def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(9)]
    path = tmp_path / "settings.yaml"
    path.write_text("\n".join([*lines, "corpus:\n  dev: *j"]))
    with pytest.raises(UserError, match="aliases are not used in settings"):
        load_config(path)


@FUZZ
@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_checkpoint_whose_state_is_anything_is_passed_over_with_a_warning(content: bytes) -> None:
    with file_of(content, "state.json") as path:
        (path.parent / "step-00000001").mkdir()
        shutil.copy(path, path.parent / "step-00000001")
        with pytest.warns(UserWarning, match="going back to the one before"):
            assert load_newest(path.parent) is None
        shutil.rmtree(path.parent / "step-00000001")


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["format", "step", "sha256", "labeled"]), JSON | st.sampled_from([1, 2, {"../../x": "0"}])
    )
)
def test_a_state_that_is_sealed_but_senseless_is_damaged_too(state: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(DamagedCheckpoint, UserError):
        (Path(folder) / "state.json").write_text(json.dumps(state | {"seal": _seal(state)}))
        checkpoint = load_checkpoint(Path(folder))
        assert checkpoint.tensors == {}


def test_no_file_outside_a_checkpoint_is_read_whatever_its_state_names(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "run", Checkpoint(1, {"student": {"w": torch.zeros(1)}}, {}))
    outside = tmp_path / "student.safetensors"
    os.replace(path / "student.safetensors", outside)  # noqa: PTH105
    state = json.loads((path / "state.json").read_text())
    del state["seal"]
    state["sha256"] = {"../../student.safetensors": state["sha256"]["student.safetensors"]}
    (path / "state.json").write_text(json.dumps(state | {"seal": _seal(state)}))
    with pytest.raises(DamagedCheckpoint, match=r"step-00000001/student\.safetensors"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [
        {"base_steps": "many"},
        {"base_steps": float("nan")},
        {"labeled": [1]},
        {"unlabeled": [10**30, 0]},
        {"slots": [[0, -1]]},
        {"shapes": ["wide", 1.0]},
        {"totals": [1.0]},
        {"unreadable": 3},
        {"settings": 3},
        {"dev_rates": {"dev": "low"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_that_makes_no_sense_is_refused_in_one_line(
    tiny_corpus: TinyCorpus, tmp_path: Path, change: dict[str, Any]
) -> None:
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=3)
    path = tmp_path / "checkpoints" / "step-00000003" / "state.json"
    state = json.loads(path.read_text())
    (name,) = change
    place = next(place for place in (state, state["positions"]) if name in place)
    place.update(change)
    del state["seal"]
    path.write_text(json.dumps(state | {"seal": _seal(state)}))
    with warnings.catch_warnings(), pytest.raises(UserError, match="not of this model and these settings") as raised:
        train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    assert "\n" not in str(raised.value)
