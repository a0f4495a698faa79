"""Work that goes on beside training: one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

THREAD = "background"
"""How the name of its thread begins."""


class Background:
    """A thread, and what it is about. Errors of its work are raised where it is asked after."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, THREAD)
        self._work: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Have something done, once what was begun before has come to its end."""
        self.wait()
        self._work = self._thread.submit(work)

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self._work is not None and self._work.done():
            self.wait()

    def wait(self) -> None:
        """Until all is done; raises what went wrong."""
        work, self._work = self._work, None
        if work is not None:
            work.result()

    def close(self) -> None:
        """Wait, whatever went wrong: it has been raised, or there is something worse to tell."""
        self._thread.shutdown()
