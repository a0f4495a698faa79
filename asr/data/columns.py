"""A manifest's columns: strings without an object each, in memory or on disk.

On disk they lie in a folder beside the manifest, one file each, little-endian. They are mapped, so that opening reads
nothing, and no row takes memory until it is asked for. They are believed as long as the manifest is the one that they
were made of; it alone is what counts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

VERSION = 1
ABOUT = "about.json"
NUMBERS = {"durations": "<f8", "offsets": "<f8", "has_text": "|b1"}
STRINGS = ("ids", "paths", "speakers", "texts")
TYPES = NUMBERS | {f"{name}.bytes": "|u1" for name in STRINGS} | {f"{name}.ends": "<i8" for name in STRINGS}
"""Of each file."""

Arrays = dict[str, npt.NDArray[Any]]


class StringColumn:
    """Many strings as one byte buffer and an offset array: no Python object per row, flat under fork."""

    def __init__(self, strings: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("q")
        for string in strings:
            self.append(string)

    def append(self, string: str) -> None:
        self._bytes += string.encode()
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        start = self._ends[row - 1] if row else 0
        return self._bytes[start : self._ends[row]].decode()

    @property
    def nbytes(self) -> int:
        return len(self._bytes) + len(self._ends) * self._ends.itemsize

    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The buffer, and where each string ends in it."""
        return np.frombuffer(self._bytes, dtype=np.uint8), np.array(self._ends, dtype=np.int64)


class MappedStrings:
    """A `StringColumn` that lies on disk."""

    def __init__(self, text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self._bytes, self._ends = text, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        start = int(self._ends[row - 1]) if row else 0
        return self._bytes[start : int(self._ends[row])].tobytes().decode()

    @property
    def nbytes(self) -> int:
        return self._bytes.nbytes + self._ends.nbytes

    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """As of a `StringColumn`."""
        return self._bytes, self._ends


Strings = StringColumn | MappedStrings


def columns_folder(manifest: Path) -> Path:
    """Where the columns of a manifest lie."""
    return manifest.with_name(f"{manifest.name}.columns")


def _digest(manifest: Path) -> str:
    with manifest.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _still_of(manifest: Path, about: Mapping[str, Any]) -> bool:
    """Whether the manifest is what the columns were made of, where relative paths mean the same."""
    now = manifest.stat()
    if (
        about["version"] != VERSION
        or about["folder"] != str(manifest.parent.absolute())
        or about["size"] != now.st_size
    ):
        return False
    # A copy has another time, and is read through once.
    return bool(about["mtime_ns"] == now.st_mtime_ns or about["sha256"] == _digest(manifest))


def map_columns(manifest: Path) -> Arrays | None:
    """The columns of a manifest, mapped; None where there are none of it as it is now."""
    folder = columns_folder(manifest)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if not _still_of(manifest, about):
            return None
        arrays = {name: _map(folder / name, kind) for name, kind in TYPES.items()}
        rows = about["rows"]
        ends = {name: arrays[f"{name}.ends"] for name in STRINGS}
        whole = all(len(column) == rows for column in (*ends.values(), *(arrays[name] for name in NUMBERS)))
        whole = whole and all(len(arrays[f"{name}.bytes"]) == (own[-1] if rows else 0) for name, own in ends.items())
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return arrays if whole else None


def _map(path: Path, kind: str) -> npt.NDArray[Any]:
    if not path.stat().st_size:
        return np.empty(0, dtype=kind)
    # As a plain array: indexing a memmap makes another each time.
    return np.asarray(np.memmap(path, dtype=kind, mode="r"))


def write_columns(manifest: Path, parts: Iterable[Arrays]) -> None:
    """Write a manifest's columns, part by part, aside, and rename them.

    Args:
        manifest: as it was read, or will be read, for the parts.
        parts: columns of some rows at a time, in order; ends count within each.
    """
    # Before the first row is read: what changes from here on is noticed.
    now, digest = manifest.stat(), _digest(manifest)
    folder = columns_folder(manifest)
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    rows, written = 0, dict.fromkeys(STRINGS, 0)
    for part in parts:
        for name, kind in TYPES.items():
            column, _, what = name.partition(".")
            values = part[name] + written[column] if what == "ends" else part[name]
            with (aside / name).open("ab") as file:
                file.write(values.astype(kind).tobytes())
        written = {name: end + len(part[f"{name}.bytes"]) for name, end in written.items()}
        rows += len(part["durations"])
    about = {
        "version": VERSION,
        "rows": rows,
        "folder": str(manifest.parent.absolute()),
        "size": now.st_size,
        "mtime_ns": now.st_mtime_ns,
        "sha256": digest,
    }
    (aside / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
