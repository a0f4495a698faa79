"""Being asked to stop: signals are noted at once and obeyed between two steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Preempted(Exception):
    """Training was asked to stop, has saved a checkpoint and can go on from there."""


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that a SIGTERM or SIGUSR1 is put into, for the loop to find between two steps."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature is the interpreter's)
        caught.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
