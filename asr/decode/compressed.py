"""Files that may be compressed, as their names say."""

from __future__ import annotations

import gzip
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, cast

DAMAGE = (OSError, EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError)
"""What opening and reading such a file as text may raise."""


def open_compressed(path: Path) -> BinaryIO:
    """A file's content: unpacked where its name ends with .gz or .xz. Opening and reading may raise `DAMAGE`."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path))
    return path.open("rb")
