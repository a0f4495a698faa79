from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asr.data import manifest as manifests
from asr.data.columns import columns_folder, map_columns
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.errors import UserError

ROWS = [
    Utterance(f"u{row}", f"/audio/{row}.flac", 1.5 + row, 0.25 * row, f"s{row % 2}", "É A" * row if row % 3 else None)
    for row in range(7)
]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest with columns, written in several parts."""
    monkeypatch.setattr(manifests, "MANY", 3)
    path = tmp_path / "labeled.jsonl"
    write_manifest(path, ROWS)
    return path


def test_what_is_mapped_is_what_the_lines_say(written: Path) -> None:
    assert map_columns(written) is not None
    mapped = read_manifest(written)
    shutil.rmtree(columns_folder(written))
    read = read_manifest(written)
    assert list(mapped) == list(read) == ROWS
    assert mapped.nbytes == read.nbytes
    assert mapped.hours == read.hours


def test_a_manifest_of_few_rows_has_no_columns(tmp_path: Path) -> None:
    write_manifest(tmp_path / "dev.jsonl", ROWS)
    assert not columns_folder(tmp_path / "dev.jsonl").exists()


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"u3"', '"u9"'))


def _edit_and_set_the_clock_back(path: Path) -> None:
    then = path.stat()
    path.write_text(path.read_text().replace('"u3"', '"u33"'))
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"id": "new", "audio_filepath": "/new.flac", "duration": 2}\n')


@pytest.mark.parametrize("change", [_edit, _edit_and_set_the_clock_back, _append])
def test_an_edited_manifest_is_read_and_not_its_columns(written: Path, change: Callable[[Path], None]) -> None:
    before = list(read_manifest(written))
    change(written)
    after = list(read_manifest(written))
    shutil.rmtree(columns_folder(written))
    assert after == list(read_manifest(written)) != before


def test_a_copy_with_another_time_keeps_its_columns(written: Path) -> None:
    os.utime(written, ns=(1, 1))
    assert map_columns(written) is not None


def test_columns_of_a_folder_that_was_moved_are_not_used_since_paths_may_be_relative_to_it(written: Path) -> None:
    moved = written.parent / "moved"
    moved.mkdir()
    for path in (written, columns_folder(written)):
        path.rename(moved / path.name)
    assert map_columns(moved / written.name) is None
    assert list(read_manifest(moved / written.name)) == ROWS


@pytest.mark.parametrize("name", ["durations", "ids.bytes", "texts.ends", "about.json"])
@pytest.mark.parametrize("left", [0, 8])
def test_columns_that_were_cut_short_are_not_used(written: Path, name: str, left: int) -> None:
    with (columns_folder(written) / name).open("r+b") as file:
        file.truncate(left)
    assert list(read_manifest(written)) == ROWS


def test_rows_that_cannot_be_read_are_refused_when_columns_are_made(written: Path) -> None:
    with pytest.raises(UserError, match=r"line 5: utterance id 'u1' occurs twice"):
        write_manifest(written, [*ROWS[:4], ROWS[1], *ROWS[4:]])
    assert map_columns(written) is None
    with pytest.raises(UserError, match=r"line 5: utterance id 'u1' occurs twice"):
        read_manifest(written)
