from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import UserError
from data_prep.folder import scan


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_librispeech_s_layout_gives_ids_speakers_and_texts(tmp_path: Path) -> None:
    touch(tmp_path, "84/121/84-121-0000.flac", "84/121/84-121-0001.flac")
    (tmp_path / "84/121/84-121.trans.txt").write_text("84-121-0000 GO ON\n84-121-0001 STOP\n")
    found = scan(tmp_path)
    assert [(s.id, s.speaker, s.text) for s in found.sources] == [
        ("84-121-0000", "84", "GO ON"),
        ("84-121-0001", "84", "STOP"),
    ]
    assert not found.rejections


def test_a_plain_folder_of_audio_is_an_untranscribed_corpus(tmp_path: Path) -> None:
    touch(tmp_path, "anna/one.wav", "anna/two.mp3", "three.ogg", "notes.txt", ".hidden/four.wav")
    found = scan(tmp_path)
    assert [(s.id, s.speaker, s.text) for s in found.sources] == [
        ("anna-one", "anna", None),
        ("anna-two", "anna", None),
        ("three", "", None),
    ]


def test_a_transcript_without_audio_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "1/2/1-2-0000.flac")
    (tmp_path / "1/2/1-2.trans.txt").write_text("1-2-0000 A\n1-2-0001 B\n")
    (rejection,) = scan(tmp_path).rejections
    assert (rejection.reason, rejection.detail) == ("transcript without audio", "1-2-0001")


def test_links_out_of_the_folder_and_loops_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "secret.wav", "corpus/a.wav")
    (tmp_path / "corpus/b.wav").symlink_to(tmp_path / "secret.wav")
    (tmp_path / "corpus/loop").symlink_to(tmp_path / "corpus")
    found = scan(tmp_path / "corpus")
    assert [s.id for s in found.sources] == ["a"]
    assert {r.reason for r in found.rejections} == {"link out of the subset folder", "link to a folder"}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: cannot list"):
        scan(tmp_path / "nowhere")
