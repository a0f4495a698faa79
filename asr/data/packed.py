"""Audio within shards: where a file's bytes lie in a plain tar, and how they are had without opening a file each.

A path such as `audio-00003.tar:1536:48213:9f3c01aa` names a tar, the first byte and the size of a file in it, and the
CRC-32 of its bytes. (fairseq's speech recipes write `archive.zip:first:size`; NeMo and Lhotse name files, whose places
they find by reading an archive through.) The sum makes a wrong place an error: an archive that was damaged, or that has
been made anew under its old name, would otherwise give another utterance's audio.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tarfile import BLOCKSIZE, HeaderError, TarInfo

from asr.audio.view import Positioned
from asr.errors import UserError

_PLACE = re.compile(r"(.+\.tar):(\d{1,15}):(\d{1,15}):([0-9a-f]{8})", re.DOTALL)
PACK = "pack.jsonl"
"""The manifest of a folder of shards, beside them."""
MOST_WHOLE = 2 << 20
"""Bytes of a file that is read at once and whose sum is checked. Of a longer recording rows are parts, and only what
each needs is read; what is checked then is the head that the tar has in front of it."""
MOST_OPEN = 64
"""Shards that a process holds open."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies in a tar."""

    tar: str
    first: int
    size: int
    """Both in bytes."""
    crc: int
    """CRC-32 of the bytes, as of `zlib`."""

    def __str__(self) -> str:
        return f"{self.tar}:{self.first}:{self.size}:{self.crc:08x}"


def find_place(path: str) -> Place | None:
    """What a path names, where that is a place in a tar."""
    found = _PLACE.fullmatch(path) if ".tar:" in path else None
    return None if found is None else Place(found[1], int(found[2]), int(found[3]), int(found[4], 16))


@lru_cache(MOST_OPEN)
def _opened(tar: str) -> io.FileIO:
    """Kept open, since on clusters opening is what takes time. One that is put out is closed by its last reader."""
    # Opening a named pipe would wait for ever.
    file = io.FileIO(os.open(tar, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{tar} is not a regular file")
    return file


def _read(file: io.FileIO, count: int, first: int) -> bytes:
    """So many bytes from a place on, or fewer where the file ends. The system may give less than is asked for."""
    parts: list[bytes] = []
    while count and (part := os.pread(file.fileno(), count, first)):
        parts.append(part)
        count, first = count - len(part), first + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Within(Positioned):
    """A part of a file as a file of its own, read as it is asked for."""

    def __init__(self, file: io.FileIO, first: int, size: int) -> None:
        super().__init__(size)
        self._file, self._first = file, first

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill as much of the buffer as there is; returns the number of bytes."""
        count = max(0, min(len(buffer), self._size - self._position))
        got = _read(self._file, count, self._first + self._position)
        buffer[: len(got)] = got
        self._position += len(got)
        return len(got)


def _check_head(file: io.FileIO, place: Place) -> None:
    """Of what is not read whole: a file of this size begins here."""
    try:
        if TarInfo.frombuf(_read(file, BLOCKSIZE, place.first - BLOCKSIZE), "utf-8", "replace").size == place.size:
            return
    except HeaderError:
        pass
    raise _other(place)


def _truncated(place: Place, size: int) -> UserError:
    found = f"{size:,} of at least {place.first + place.size:,} bytes"
    return UserError(f"{place}: the shard is truncated ({found}); copy it again")


def _other(place: Place) -> UserError:
    return UserError(
        f"{place}: the bytes there are others than were packed; the shard is damaged, or another has taken its name: "
        "copy it again, or pack anew and run the manifest stage"
    )


def open_place(place: Place) -> io.BytesIO | io.BufferedReader:
    """What lies at a place, as a file.

    Raises:
        UserError: the tar is not there, is shorter, or has something else there.
    """
    try:
        file = _opened(place.tar)
        if place.size > MOST_WHOLE:
            if (size := os.fstat(file.fileno()).st_size) < place.first + place.size:
                raise _truncated(place, size)
            _check_head(file, place)
            return io.BufferedReader(_Within(file, place.first, place.size), 1 << 16)
        content = _read(file, place.size, place.first)
        if len(content) < place.size:
            raise _truncated(place, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        folder = Path(place.tar).parent
        what = "the folder has no such shard" if folder.is_dir() else "there is no such folder"
        raise UserError(
            f"{place.tar}: {what}; if the pack was moved, put it back, or name it where it is and run the manifest "
            "stage again"
        ) from None
    except OSError as error:
        raise UserError(f"{place.tar}: cannot be read ({error.strerror or error})") from None
    if zlib.crc32(content) != place.crc:
        raise _other(place)
    return io.BytesIO(content)
