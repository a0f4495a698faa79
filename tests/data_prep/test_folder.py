from __future__ import annotations

import os
from pathlib import Path

import pytest

from asr.errors import UserError
from data_prep.folder import find_files, scan


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


def test_a_transcript_that_several_recordings_could_have_is_given_to_none(tmp_path: Path) -> None:
    touch(tmp_path, "a/001.flac", "b/001.flac", "b/002.flac")
    (tmp_path / "all.trans.txt").write_text("001 ONE\n002 TWO\n")
    found = scan(tmp_path)
    assert [(s.path, s.text) for s in found.sources] == [
        ("a/001.flac", None),
        ("b/001.flac", None),
        ("b/002.flac", "TWO"),
    ]
    assert [(r.path, r.reason, r.detail) for r in found.rejections] == [
        (
            "all.trans.txt",
            "transcript of several recordings",
            "001: a/001.flac, b/001.flac; it is taken for none of them",
        )
    ]


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


def test_a_transcript_file_speaks_for_the_audio_beside_and_below_it_and_the_nearest_wins(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav", "b/c/y.wav", "z.wav")
    (tmp_path / "all.trans.txt").write_text("x FAR\ny BELOW\n")
    (tmp_path / "a" / "near.trans.txt").write_text("x NEAR\nz ELSEWHERE\n")
    found = scan(tmp_path)
    assert {s.path: s.text for s in found.sources} == {"a/x.wav": "NEAR", "b/c/y.wav": "BELOW", "z.wav": None}
    assert sorted(r.detail for r in found.rejections) == ["x", "z"]


def test_one_of_two_encodings_of_a_recording_is_used(tmp_path: Path) -> None:
    touch(tmp_path, "a/one.flac", "a/one.mp3")
    found = scan(tmp_path)
    assert [s.path for s in found.sources] == ["a/one.flac"]
    assert [(r.path, r.reason) for r in found.rejections] == [("a/one.mp3", "repeated recording")]


def test_ids_stay_unique_and_free_of_blanks(tmp_path: Path) -> None:
    touch(tmp_path, "a/b-c.wav", "a-b/c.wav", "a/d e.wav", "p/1-2-3.flac", "q/1-2-3.flac")
    found = scan(tmp_path)
    ids = [s.id for s in found.sources]
    assert len(set(ids)) == 5
    assert not [name for name in ids if name.split() != [name]]
    assert [s.speaker for s in found.sources if s.path.startswith(("p", "q"))] == ["1", "1"]


@pytest.mark.parametrize("content", [b"1-2-0000 \xff\n", b" leading blank\n", b"1-2-0000 A\n1-2-0000 B\n"])
def test_a_malformed_transcript_file_is_named_and_the_others_are_read(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path, "1/2/1-2-0000.flac", "3/4/3-4-0000.flac")
    (tmp_path / "1/2/1-2.trans.txt").write_bytes(content)
    (tmp_path / "3/4/3-4.trans.txt").write_text("3-4-0000 FINE\n")
    found = scan(tmp_path)
    assert [s.text for s in found.sources] == [None, "FINE"]
    assert [(r.path, r.reason) for r in found.rejections] == [("1/2/1-2.trans.txt", "malformed transcript")]


def test_names_that_are_no_utf_8_and_pipes_are_rejected_without_being_opened(tmp_path: Path) -> None:
    touch(tmp_path, "good.wav")
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    os.mkfifo(tmp_path / "pipe.wav")
    found = scan(tmp_path)
    assert [s.id for s in found.sources] == ["good"]
    assert {r.path: r.reason for r in found.rejections} == {
        "caf\\udce9.wav": "name is not UTF-8",
        "pipe.wav": "unreadable",
    }


def test_files_are_found_in_the_order_of_their_paths_with_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.wav", "a/3.wav", "b/1.wav", "0.wav")
    os.utime(tmp_path / "0.wav", ns=(5, 7))
    files, rejections = find_files(tmp_path)
    assert [f.path for f in files] == ["0.wav", "a/3.wav", "b/1.wav", "b/2.wav"]
    assert (files[0].size, files[0].mtime_ns) == (1, 7)
    assert rejections == []
