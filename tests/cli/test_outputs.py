"""A command that would write over what it reads is refused, and leaves it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli.main import main
from asr.config import TokenConfig
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens
from data_prep.formats.writing import FILES


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "is read, and would be written over; name another place" in capsys.readouterr().err


def test_a_manifest_is_not_made_where_the_corpus_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(16_000, np.int16), 16_000)
    listed = tmp_path / "x.json"
    listed.write_text('{"audio_filepath": "a.flac", "text": "HI", "more": 1}\n')
    before = listed.read_bytes()
    refused(["manifest", str(listed), str(tmp_path / "." / "x.json"), "--to", "nemo"], capsys)
    assert listed.read_bytes() == before
    kaldi = tmp_path / "kaldi"
    assert main(["manifest", str(listed), str(kaldi), "--to", "kaldi"]) == 0
    refused(["manifest", str(kaldi), str(kaldi), "--to", "kaldi"], capsys)
    # Nor over audio, a file beside the one that is named, or one that the format makes in the folder.
    lhotse = tmp_path / "lhotse"
    assert main(["manifest", str(listed), str(lhotse), "--to", "lhotse"]) == 0
    assert {path.name for path in kaldi.iterdir()} == set(FILES["kaldi"])
    assert {path.name for path in lhotse.iterdir()} == set(FILES["lhotse"])
    kept = {path: path.read_bytes() for path in (tmp_path / "a.flac", kaldi / "segments", *lhotse.iterdir())}
    refused(["manifest", str(listed), str(tmp_path / "a.flac"), "--to", "nemo"], capsys)
    refused(["manifest", str(kaldi), str(kaldi / "segments"), "--to", "nemo"], capsys)
    refused(["manifest", str(lhotse / "supervisions.jsonl.gz"), str(lhotse), "--to", "lhotse"], capsys)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_language_model_is_not_made_in_place_of_its_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "t.txt"
    text.write_text("ONE TWO\nTWO ONE\n")
    write_manifest(tmp_path / "labeled.jsonl", [Utterance("a", "/a", 1.0, 0.0, "a", "ONE TWO")])
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    command = ["lm", str(text), "--tokens", str(tmp_path / "tokens"), "--out"]
    refused([*command, str(text)], capsys)
    words = tmp_path / "words.txt"
    words.write_text("ONE\n")
    refused([*command, str(words), "--vocabulary", str(words)], capsys)
    assert text.read_text() == "ONE TWO\nTWO ONE\n"
    assert main([*command, str(tmp_path)]) == 2
    assert "is a folder; name a file" in capsys.readouterr().err
    (tmp_path / "empty").write_text("\n")
    assert main([*command, str(tmp_path / "lm.arpa"), "--evaluate", str(tmp_path / "empty")]) == 2
    assert "has no words to measure by" in capsys.readouterr().err


def test_a_page_of_scores_is_not_written_over_a_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("r", "h"):
        (tmp_path / f"{name}.trans.txt").write_text("a-1 ONE TWO\n")
    reference, heard = (str(tmp_path / f"{name}.trans.txt") for name in ("r", "h"))
    for page in (reference, heard):
        refused(["score", reference, heard, "--html", page], capsys)
    assert Path(reference).read_text() == "a-1 ONE TWO\n"


def test_bytes_that_are_no_text_are_refused_on_standard_input_as_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(tmp_path / "labeled.jsonl", [Utterance("a", "/a", 1.0, 0.0, "a", "ONE TWO")])
    build_tokens(TokenConfig(), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    typed = io.TextIOWrapper(io.BytesIO(b"ONE\nTW\xffO\n"), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", typed)
    assert main(["lm", "-", "--tokens", str(tmp_path / "tokens"), "--out", str(tmp_path / "lm.arpa")]) == 2
    assert "standard input: cannot read text" in capsys.readouterr().err
    assert not (tmp_path / "lm.arpa").exists()
