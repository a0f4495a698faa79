from __future__ import annotations

import os
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.files_below import files_below


def test_links_to_folders_are_followed_and_each_folder_is_met_once(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for path in (here / "b" / "2.txt", here / "1.txt", elsewhere / "3.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (here / "c").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(here)
    (here / "nowhere.txt").symlink_to(tmp_path / "absent")
    os.mkfifo(here / "pipe.txt")
    found = [p.relative_to(here).as_posix() for p in files_below(here)]
    assert found == ["1.txt", "b/2.txt", "c/3.txt", "nowhere.txt", "pipe.txt"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"closed: cannot list this folder \(Permission denied\)"):
        files_below(tmp_path / "closed")
