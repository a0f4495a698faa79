"""CSV and TSV with named columns, as spreadsheets, pandas and Common Voice write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from asr.errors import UserError
from data_prep.formats.columns import choose_columns, source_of
from data_prep.formats.rows import read_lines
from data_prep.source import Listing, Source, named

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
TIMES = {"offset", "end", "duration"}
"""What may be written with a decimal comma, where commas do not part the fields."""
CLIPS = "clips"
"""Where Common Voice keeps what its tables name."""


def _unquoted(field: str) -> str:
    """Quotes are undone only where they enclose a whole field and those within are doubled, as pandas writes them."""
    inner = field[1:-1]
    quoted = len(field) > 1 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else field


def _delimiter(path: Path) -> str:
    if path.name.lower().endswith((".tsv", ".tsv.gz")):
        return "\t"
    header = next((line for _, line in read_lines(path, blank=True)), "")
    # Where a comma is the decimal point, spreadsheet programs write semicolons.
    return ";" if ";" in header and "," not in header else ","


def _rows(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    if delimiter == "\t":
        yield from ((where, [_unquoted(field) for field in line.split("\t")]) for where, line in read_lines(path))
        return
    # A field in quotes may hold line feeds.
    lines = (line + "\n" for _, line in read_lines(path, blank=True))
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
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
    delimiter = _delimiter(path)
    rows = _rows(path, delimiter)
    where, header = next(rows, (str(path), []))
    if not header:
        raise UserError(f"{path}: empty; its first line must name the columns")
    numbers = choose_columns(header, where)
    columns = {role: header[number] for role, number in numbers.items()}
    sources: list[Source] = []
    for where, row in rows:
        if len(row) != len(header):
            raise UserError(f"{where}: {len(row)} fields, where the first line names {len(header)} columns")
        fields = {header[number]: row[number].strip() for number in numbers.values()}
        for role in TIMES & columns.keys() if delimiter != "," else ():
            fields[columns[role]] = fields[columns[role]].replace(",", ".")
        if not (name := fields[columns["path"]]):
            raise UserError(f"{where}: the column {columns['path']!r} is empty")
        sources.append(source_of(fields, columns, _locate(path.parent, name), where))
    bare = named([source for source in sources if not source.id], path.parent)
    return Listing([source for source in sources if source.id] + bare, files=[path])
