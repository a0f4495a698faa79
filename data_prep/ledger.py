"""What was found out about files of audio, so that each is decoded only once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock


@dataclass(frozen=True)
class Known:
    """What decoding a file has shown."""

    samples: int
    """Of 16 kHz; all of them."""
    in_place: bool
    """Whether it can be read where it lies."""
    notes: tuple[str, ...] = ()
    crc: int | None = None
    """CRC-32 of its bytes, of a file in an archive that can be read where it lies."""


class Ledger:
    """Rows of `known.jsonl`, by a key that stands for a file's path, size and time.

    Rows are only ever added, and a row that was cut by a kill is passed over: its file is decoded again.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "known.jsonl"
        self._lock = Lock()
        self._known: dict[str, Known] = {}
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError:
            # Where there is something in the way, writing says so.
            return
        for line in lines:
            try:
                row = json.loads(line)
                key = str(row.pop("key"))
                crc = None if row.get("crc") is None else int(row["crc"])
                self._known[key] = Known(int(row["samples"]), bool(row["in_place"]), tuple(row["notes"]), crc)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def find(self, key: str) -> Known | None:
        return self._known.get(key)

    def add(self, key: str, known: Known) -> None:
        """Raises OSError where the file cannot be written."""
        line = json.dumps({"key": key, **asdict(known)}, ensure_ascii=False) + "\n"
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                # In front, since a row before may have been cut.
                file.write(b"\n" + line.encode())
            self._known[key] = known
