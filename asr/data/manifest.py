"""Manifests: one JSON object per line and utterance, held as columns, in memory or, where there are many, mapped.

Field names are NeMo's (`audio_filepath`, `offset`, `duration`, `text`) plus `id` and `speaker`. A row
without `text` is untranscribed audio.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from asr.data.columns import STRINGS, Arrays, MappedStrings, StringColumn, Strings, map_columns, write_columns
from asr.errors import UserError
from asr.json_object import json_object
from asr.whole_file import whole_file

MANY = 10_000
"""Rows from which on a manifest is also written as columns; fewer are read in a tenth of a second."""
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


class Manifest:
    """The utterances of one subset, in file order, as columns.

    `durations` and `offsets` are float64 arrays in seconds, `(rows,)`. Rows are read back as
    `Utterance` by index.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """One pass: the rows may come from a file, and are nowhere all at once."""
        ids, paths, speakers, texts = (StringColumn() for _ in STRINGS)
        has_text, offsets, durations = array("b"), array("d"), array("d")
        for u in utterances:
            ids.append(u.id)
            paths.append(u.audio_filepath)
            speakers.append(u.speaker)
            texts.append(u.text or "")
            has_text.append(u.text is not None)
            offsets.append(u.offset)
            durations.append(u.duration)
        self.ids: Strings = ids
        self.paths: Strings = paths
        self.speakers: Strings = speakers
        self.texts: Strings = texts
        self.has_text = np.array(has_text, dtype=bool)
        self.offsets, self.durations = np.array(offsets, dtype=np.float64), np.array(durations, dtype=np.float64)

    @classmethod
    def of_columns(cls, arrays: Arrays) -> Manifest:
        """Of the arrays that `arrays` gives."""
        manifest = cls(())
        manifest.ids, manifest.paths, manifest.speakers, manifest.texts = (
            MappedStrings(arrays[f"{name}.bytes"], arrays[f"{name}.ends"]) for name in STRINGS
        )
        manifest.has_text, manifest.offsets, manifest.durations = (
            arrays[name] for name in ("has_text", "offsets", "durations")
        )
        return manifest

    def arrays(self) -> Arrays:
        """All columns, as they lie on disk."""
        found: Arrays = {"has_text": self.has_text, "offsets": self.offsets, "durations": self.durations}
        for name, column in zip(STRINGS, (self.ids, self.paths, self.speakers, self.texts), strict=True):
            found |= zip((f"{name}.bytes", f"{name}.ends"), column.arrays(), strict=True)
        return found

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
    row = json_object(line, where)
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
    # Of each id a number: sets of strings would take most of the memory.
    marks = array("q")
    for where, utterance in _parsed(path):
        if utterance.duration == 0:
            raise UserError(f"{where}: utterance {utterance.id!r} has duration 0")
        marks.append(hash(utterance.id))
        yield utterance
    ordered = np.sort(np.frombuffer(marks, dtype=np.int64))
    twins = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    seen: set[str] = set()
    for where, utterance in _parsed(path) if twins else ():
        if utterance.id in seen:
            raise UserError(f"{where}: utterance id {utterance.id!r} occurs twice")
        if hash(utterance.id) in twins:
            seen.add(utterance.id)


def _parsed(path: Path) -> Iterator[tuple[str, Utterance]]:
    """Each row, after where it stands."""
    folder = str(path.parent.absolute())
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                where = f"{path}, line {number}"
                yield where, _parse(line, folder, where)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; relative audio paths are taken from the manifest's folder.

    Raises:
        UserError: the file is missing, or a row is malformed, repeats an id, has duration 0, or has a relative path
            that leads out of the manifest's folder.
    """
    try:
        columns = map_columns(path)
        return Manifest(_rows(path)) if columns is None else Manifest.of_columns(columns)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read manifest ({error})") from None


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest; `MANY` rows also as columns.

    Raises:
        UserError: it cannot be written there; as `read_manifest`, of a row that goes into columns.
    """
    rows = 0
    with whole_file(path) as file:
        for utterance in utterances:
            file.write(f"{utterance.to_json()}\n".encode())
            rows += 1
    if rows >= MANY:
        # From what was written, through the same checks: columns hold what reading would find.
        checked = _rows(path)
        parts = iter(lambda: list(islice(checked, MANY)), [])
        write_columns(path, (Manifest(part).arrays() for part in parts))
