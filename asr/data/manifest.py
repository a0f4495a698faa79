"""Manifests: one JSON object per line and utterance, held in memory as columns.

Field names are NeMo's (`audio_filepath`, `offset`, `duration`, `text`) plus `id` and `speaker`. A row
without `text` is untranscribed audio.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import UserError

MOST_SECONDS = 1e9
"""No recording lasts 30 years, and what is less can be counted in samples."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row: `offset` and `duration` in seconds; `text` is None where there is no transcript."""

    id: str
    audio_filepath: str
    duration: float
    offset: float = 0.0
    speaker: str = ""
    text: str | None = None

    def to_json(self) -> str:
        row: dict[str, Any] = {
            "id": self.id,
            "audio_filepath": self.audio_filepath,
            "offset": self.offset,
            "duration": self.duration,
            "speaker": self.speaker,
        }
        if self.text is not None:
            row["text"] = self.text
        return json.dumps(row, ensure_ascii=False)


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


class Manifest:
    """The utterances of one subset, in file order, as columns.

    `durations` and `offsets` are float64 arrays in seconds, `(rows,)`. Rows are read back as
    `Utterance` by index.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """One pass: the rows may come from a file, and are nowhere all at once."""
        self.ids, self.paths, self.speakers, self.texts = (StringColumn() for _ in range(4))
        has_text, offsets, durations = array("b"), array("d"), array("d")
        for u in utterances:
            self.ids.append(u.id)
            self.paths.append(u.audio_filepath)
            self.speakers.append(u.speaker)
            self.texts.append(u.text or "")
            has_text.append(u.text is not None)
            offsets.append(u.offset)
            durations.append(u.duration)
        self.has_text = np.array(has_text, dtype=bool)
        self.offsets, self.durations = np.array(offsets, dtype=np.float64), np.array(durations, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.durations)

    def __getitem__(self, row: int) -> Utterance:
        return Utterance(
            id=self.ids[row],
            audio_filepath=self.paths[row],
            duration=float(self.durations[row]),
            offset=float(self.offsets[row]),
            speaker=self.speakers[row],
            text=self.texts[row] if self.has_text[row] else None,
        )

    def __iter__(self) -> Iterator[Utterance]:
        return (self[row] for row in range(len(self)))

    @property
    def hours(self) -> float:
        return float(self.durations.sum()) / 3600

    @property
    def nbytes(self) -> int:
        columns = (self.ids, self.paths, self.speakers, self.texts)
        arrays = (self.has_text, self.offsets, self.durations)
        return sum(c.nbytes for c in columns) + sum(a.nbytes for a in arrays)


def _locate(path: str, folder: str, where: str) -> str:
    """An absolute path as it is, a relative one from the manifest's folder."""
    if not path or "\0" in path:
        raise UserError(f"{where}: field 'audio_filepath' must be the path of a file; found {path!r}")
    if path[0] == "/":
        return path
    if ".." in path.split("/"):
        raise UserError(f"{where}: {path!r} leads out of the manifest's folder; write an absolute path")
    return f"{folder}/{path}"


def _parse(line: str, folder: str, where: str) -> Utterance:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON ({error}); each line must be one JSON object") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(row).__name__}")
    for key in ("audio_filepath", "duration"):
        if key not in row:
            raise UserError(f"{where}: field {key!r} is missing")
    text = row.get("text")
    strings = {
        "audio_filepath": row["audio_filepath"],
        "id": row.get("id", Path(str(row["audio_filepath"])).stem),
        "speaker": row.get("speaker", ""),
        "text": "" if text is None else text,
    }
    for key, value in strings.items():
        if not isinstance(value, str):
            raise UserError(f"{where}: field {key!r} must be a string, found {value!r}")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UserError(f"{where}: field {key!r} is not valid Unicode text") from None
    path = _locate(strings["audio_filepath"], folder, where)
    if strings["id"].split() != [strings["id"]]:
        raise UserError(f"{where}: utterance id {strings['id']!r} must be one word, as a line of a transcript begins")
    numbers = {"duration": row["duration"], "offset": row.get("offset", 0.0)}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_SECONDS:
            raise UserError(f"{where}: field {key!r} must be a number of seconds, at least 0; found {value!r:.50}")
    return Utterance(
        id=strings["id"],
        audio_filepath=path,
        duration=float(numbers["duration"]),
        offset=float(numbers["offset"]),
        speaker=strings["speaker"],
        text=None if text is None else strings["text"],
    )


def _rows(path: Path) -> Iterator[Utterance]:
    folder = str(path.parent.absolute())
    seen: set[str] = set()
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            utterance = _parse(line, folder, where)
            if utterance.id in seen:
                raise UserError(f"{where}: utterance id {utterance.id!r} occurs twice")
            if utterance.duration == 0:
                raise UserError(f"{where}: utterance {utterance.id!r} has duration 0")
            seen.add(utterance.id)
            yield utterance


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; relative audio paths are taken from the manifest's folder.

    Raises:
        UserError: the file is missing, or a row is malformed, repeats an id, has duration 0, or has a relative path
            that leads out of the manifest's folder.
    """
    try:
        return Manifest(_rows(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read manifest ({error})") from None


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest aside and rename it, so that a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        for utterance in utterances:
            file.write(utterance.to_json() + "\n")
    aside.replace(path)
