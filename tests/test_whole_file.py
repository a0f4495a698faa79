from __future__ import annotations

import errno
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.whole_file import make_folder, whole_file, write_whole


def fail_halfway(path: Path, error: BaseException) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise error


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_whole(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    for error in (ZeroDivisionError(), KeyboardInterrupt(), OSError(errno.EIO, "Input/output error", "read.flac")):
        with pytest.raises(type(error)):
            fail_halfway(path, error)
        assert path.read_bytes() == "é\n".encode()
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"a.txt: cannot be written \(No space left on device\)"):
        fail_halfway(path, full)
    with pytest.raises(UserError, match=r"deep: cannot be written \(Is a directory\)"):
        write_whole(tmp_path / "deep", b"")
    assert [p.name for p in tmp_path.rglob("*")] == ["deep", "a.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "")
    with pytest.raises(UserError, match=r"a.txt/b: cannot make this folder \(Not a directory\)"):
        write_whole(tmp_path / "a.txt" / "b" / "c.txt", "")
    with pytest.raises(UserError, match=r"/proc/x: cannot make this folder"):
        make_folder(Path("/proc/x"))
