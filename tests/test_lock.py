from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from asr.lock import hold, take_turns


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Make locking fail as a file system would."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_lock_that_another_process_holds_is_not_waited_for_where_that_is_asked(tmp_path: Path) -> None:
    again = hold(tmp_path / "deep" / "lock", wait=False)
    with hold(tmp_path / "deep" / "lock", wait=False), pytest.raises(BlockingIOError), again:
        pytest.fail("both hold it")
    with hold(tmp_path / "deep" / "lock", wait=True):
        pass


def test_who_waits_for_another_process_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    first = hold(tmp_path / "lock", wait=False)
    first.__enter__()

    def tell(text: str) -> None:
        said.append(text)
        first.__exit__(None, None, None)

    with take_turns(tmp_path / "lock", tell), pytest.raises(BlockingIOError), hold(tmp_path / "lock", wait=False):
        pytest.fail("both hold it")
    assert said == [f"{tmp_path}: another process is at work there; waiting until it has ended"]
    with take_turns(tmp_path / "lock", tell):
        assert len(said) == 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_is_not_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, wait: bool
) -> None:
    refuse(monkeypatch, number)
    with hold(tmp_path / "lock", wait) as descriptor:
        os.fstat(descriptor)
    assert f"has no locks ({os.strerror(number)}); start no second process" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_what_nfs_says_of_a_held_lock_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(BlockingIOError), hold(tmp_path / "lock", wait=False):
        pytest.fail("it is held by another")
