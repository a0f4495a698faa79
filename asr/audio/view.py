"""Pieces of memory as one file."""

from __future__ import annotations

import io
import mmap
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from asr.audio.stream import Buffer, Unreadable


class Positioned(io.RawIOBase):
    """Bytes that are not a file but are read like one: where reading is, within a known size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._position = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position


class View(Positioned):
    """Reads pieces one after the other, as if they were a file. Nothing is copied beforehand."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = [memoryview(piece) for piece in pieces]
        super().__init__(sum(map(len, self._pieces)))

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill as much of the buffer as there is; returns the number of bytes."""
        done, start = 0, 0
        for piece in self._pieces:
            inside = self._position - start
            start += len(piece)
            if 0 <= inside < len(piece):
                count = min(len(piece) - inside, len(buffer) - done)
                buffer[done : done + count] = piece[inside : inside + count]
                done += count
                self._position += count
        return done


def map_file(path: Path) -> memoryview:
    """A file's content, mapped into memory; it goes with the last piece of it that is in use.

    Raises:
        Unreadable: it cannot be read, is empty, or is no regular file (opening a pipe would wait for ever).
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable(path, "unreadable", "not a regular file")
            if not status.st_size:
                raise Unreadable(path, "empty file")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise Unreadable(path, "unreadable", error.strerror or str(error)) from None
