"""Files that one process holds at a time."""

from __future__ import annotations

import errno
import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What is said of a lock that another process has; NFS says the last."""


@contextmanager
def hold(path: Path, wait: bool) -> Iterator[int]:
    """Hold the lock file `path`; yields its descriptor. A child that inherits it holds the lock as well.

    Not every file system has locks. On one that has none a warning says so, and nothing is held.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if not wait and error.errno in HELD:
                raise BlockingIOError(error.errno, error.strerror, str(path)) from None
            print(
                f"{path}: this file system has no locks ({error.strerror}); start no second process that writes to "
                f"{path.parent}",
                file=sys.stderr,
            )
        yield file.fileno()


@contextmanager
def take_turns(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[int]:
    """Hold the lock file `path`, after whoever holds it; yields its descriptor.

    What another process may have done meanwhile is looked for again once it is held.

    Args:
        path: of the lock, in or beside the folder that is written.
        tell: told that another process is waited for.
    """
    with ExitStack() as held:
        try:
            descriptor = held.enter_context(hold(path, wait=False))
        except BlockingIOError:
            if tell:
                tell(f"{path.parent}: another process is at work there; waiting until it has ended")
            descriptor = held.enter_context(hold(path, wait=True))
        yield descriptor
