"""CSV and TSV with named columns, as spreadsheets, pandas and Common Voice write them."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

from asr.errors import UserError
from data_prep.formats.rows import read_lines, seconds_of
from data_prep.source import Listing, Source, named

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
COLUMNS = {
    "path": ("audio_filepath", "audio_path", "audio_file", "file_name", "filename", "file", "path", "wav", "audio"),
    "id": ("id", "utt_id", "utterance_id", "segment_id"),
    "text": ("text", "sentence", "transcript", "transcription"),
    "speaker": ("speaker", "speaker_id", "spk_id", "client_id"),
    "offset": ("offset", "start", "begin"),
    "end": ("end", "stop"),
    "duration": ("duration",),
    "channel": ("channel",),
}
"""What columns may be called."""
CLIPS = "clips"
"""Where Common Voice keeps what its tables name."""


def choose_columns(names: list[str], where: str) -> dict[str, int]:
    """The number of each column that is known, by what it holds.

    Raises:
        UserError: none holds paths, or two hold the same.
    """
    lowered = [name.strip().lower() for name in names]
    chosen: dict[str, int] = {}
    for role, known in COLUMNS.items():
        found = [number for number, name in enumerate(lowered) if name in known]
        if len(found) > 1:
            both = " and ".join(repr(names[number]) for number in found)
            raise UserError(f"{where}: columns {both} both may be the {role}; rename one of them")
        if found:
            chosen[role] = found[0]
    if "path" not in chosen:
        raise UserError(
            f"{where}: no column of audio files among {', '.join(names)}; call it one of {', '.join(COLUMNS['path'])}"
        )
    return chosen


def _split_tabs(line: str) -> list[str]:
    """Fields between tabs. Quotes are undone only where they enclose a whole field, as pandas writes them."""
    fields = line.split("\t")
    return [f[1:-1].replace('""', '"') if len(f) > 1 and f[0] == f[-1] == '"' else f for f in fields]


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    if ".tsv" in path.suffixes:
        yield from ((where, _split_tabs(line)) for where, line in read_lines(path))
        return
    lines = (line + "\n" for _, line in read_lines(path, blank=True))
    header = next(lines, "")
    # Where a comma is the decimal point, spreadsheet programs write semicolons.
    delimiter = ";" if ";" in header and "," not in header else ","
    # A field in quotes may hold line feeds.
    reader = csv.reader(itertools.chain([header], lines), strict=True, delimiter=delimiter)
    try:
        for row in reader:
            if row:
                yield f"{path}, line {reader.line_num}", row
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from None


def _locate(folder: Path, name: str) -> str:
    inside = folder / CLIPS / name
    return str(inside if not (folder / name).exists() and inside.exists() else folder / name)


def read_table(path: Path) -> Listing:
    """The utterances of a table whose first line names its columns.

    Raises:
        UserError: it cannot be read, no column holds paths, or a row is not what it should be.
    """
    rows = _rows(path)
    where, header = next(rows, (str(path), []))
    columns = choose_columns(header, where)
    sources: list[Source] = []
    for where, row in rows:
        if len(row) != len(header):
            raise UserError(f"{where}: {len(row)} fields, where the first line names {len(header)} columns")
        fields = {role: row[number].strip() for role, number in columns.items()}
        if not fields["path"]:
            raise UserError(f"{where}: the column {header[columns['path']]!r} is empty")
        offset, end, duration = (
            seconds_of({role: fields.get(role, "").replace(",", ".")}, role, where)
            for role in ("offset", "end", "duration")
        )
        if end is not None:
            offset = offset or 0.0
            if end <= offset:
                raise UserError(f"{where}: ends at {end:g} s, and begins at {offset:g} s")
            duration = end - offset
        channel = fields.get("channel", "")
        if channel and not (channel.isdecimal() and int(channel) > 0):
            raise UserError(f"{where}: channel must be a number from 1; found {channel!r}")
        sources.append(
            Source(
                id=fields.get("id", ""),
                speaker=fields.get("speaker", ""),
                path=_locate(path.parent, fields["path"]),
                text=fields.get("text"),
                offset=offset or 0.0,
                seconds=None if offset is None else duration,
                claim=duration if offset is None else None,
                channel=int(channel) if channel else None,
            )
        )
    bare = named([source for source in sources if not source.id], path.parent)
    return Listing([source for source in sources if source.id] + bare, files=[path])
