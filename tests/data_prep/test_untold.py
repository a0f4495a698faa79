from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli.main import main
from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.errors import UserError
from data_prep.subset import read_subset
from data_prep.untold import is_own_manifest, list_audio


def write_audio(path: Path, seconds: float = 1.5, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).integers(-3000, 3000, round(seconds * rate)).astype(np.int16)
    soundfile.write(path, samples, rate)
    return path


def listed(corpus: Path, out: Path) -> list[tuple[str, float]]:
    """Id and duration of what is to be labeled, all of which can be read."""
    rows = read_manifest(list_audio(corpus, out, 30.0, lambda _: None))
    for row in rows:
        assert len(read_samples(row.audio_filepath, row.offset, row.duration)) == round(row.duration * 16_000)
    return [(row.id, row.duration) for row in rows]


def test_the_current_folder_and_the_one_above_are_labeled_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_audio(tmp_path / "beside.wav")
    write_audio(tmp_path / "podcasts" / "deep" / "one.wav")
    monkeypatch.chdir(tmp_path / "podcasts" / "deep")
    assert listed(Path(), tmp_path / "a") == [("one", 1.5)]
    assert listed(Path(".."), tmp_path / "b") == [("deep-one", 1.5)]


def test_another_bound_of_length_is_no_change_of_the_corpus(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "audio" / "one.wav")
    listed(tmp_path / "audio", tmp_path / "out")
    with pytest.raises(UserError, match=r"utterances last 30 s at most, and now it is 10 s \(--longest\)"):
        list_audio(tmp_path / "audio", tmp_path / "out", 10.0, lambda _: None)
    write_audio(audio, 2.5)
    with pytest.raises(UserError, match="audio: has changed since"):
        listed(tmp_path / "audio", tmp_path / "out")


@pytest.mark.parametrize("kind", ["pack", "nemo", "lhotse", "kaldi"])
def test_a_manifest_in_a_folder_goes_before_audio(tmp_path: Path, kind: str) -> None:
    write_audio(tmp_path / "audio" / "talk.wav", 3.0, 8000)
    rows = [{"id": "a", "audio_filepath": "audio/talk.wav", "offset": 1.0, "duration": 1.5, "speaker": "s"}]
    (tmp_path / "rows.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "folder"
    write_audio(folder / "stray.wav")
    if kind == "pack":
        assert main(["pack", str(tmp_path / "rows.json"), str(folder)]) == 0
    elif kind == "nemo":
        rows[0]["audio_filepath"] = "../audio/talk.wav"
        (folder / "tarred_audio_manifest.json").write_text(json.dumps(rows[0]) + "\n")
    else:
        assert main(["manifest", str(tmp_path / "rows.json"), str(folder), "--to", kind]) == 0
    assert listed(folder, tmp_path / "out") == [("a", 1.5)]


def test_rows_of_nemo_or_of_a_pack_are_not_taken_for_stage_1_s(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "libri" / "1" / "2" / "1-2-0000.flac", 1.5, 8000)
    for command in (("manifest", "nemo.jsonl", "--to", "nemo"), ("pack", "packed")):
        assert main([command[0], str(tmp_path / "libri"), str(tmp_path / command[1]), *command[2:]]) == 0
    for manifest in (tmp_path / "nemo.jsonl", tmp_path / "packed" / "pack.jsonl"):
        assert not is_own_manifest(manifest)
        assert listed(manifest, tmp_path / manifest.stem) == [("1-2-0000", 1.5)]
    own = tmp_path / "own.jsonl"
    for text in ("A", None):
        write_manifest(own, [Utterance("u", str(audio), 1.5, text=text)])
        assert is_own_manifest(own)


@pytest.mark.parametrize("name", [".", "..", "a/.."])
def test_a_subset_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    write_audio(tmp_path / "a" / "one.wav")
    with pytest.raises(UserError, match=r"has no name, after which its manifest is called; set corpus\.root"):
        read_subset(tmp_path, name, CorpusConfig(source="local"), tmp_path / "cache")


def test_a_link_to_a_manifest_is_read_where_it_is(tmp_path: Path) -> None:
    write_audio(tmp_path / "one.wav")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.json").write_text('{"audio_filepath": "one.wav"}\n')
    (tmp_path / "link.json").symlink_to(tmp_path / "far" / "x.json")
    assert listed(tmp_path / "link.json", tmp_path / "out") == [("one", 1.5)]
