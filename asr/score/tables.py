"""Tables: CSV, and TSV as spreadsheet programs, pandas and Common Voice write it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asr.errors import UserError
from asr.score.fields import lines_of
from asr.score.lines import Fields, Lines, Texts

Cells = list[tuple[int, list[str]]]
"""The number of the line that a row begins on, and its cells."""


def _header(cells: Sequence[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name, count in Counter(names).items():
        # Spreadsheets end lines with empty columns, which have no name.
        if name and count > 1:
            raise UserError(f"{place}: {count} columns are named {name!r}; rename all but one")
    return names


def _split(path: Path, lines: Lines, delimiter: str, quoted: bool) -> Cells:
    """The cells of each row. Raises UserError where a quote is opened and not closed, or text follows on it."""
    rows = csv.reader(
        (line + "\n" for _, line in lines),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=quoted,
    )
    found: Cells = []
    begin = 0
    try:
        for cells in rows:
            found.append((lines[begin][0], cells))
            begin = rows.line_num
    except csv.Error as error:
        raise UserError(f"{path}, line {lines[begin][0]}: not a table ({error})") from None
    return found


def _even(rows: Cells) -> bool:
    return len({len(cells) for _, cells in rows}) == 1


def _split_tabs(path: Path, lines: Lines, option: str) -> Cells:
    """Rows of TSV, whose quotes part cells in what spreadsheet programs and pandas write, and are text elsewhere.

    Raises:
        UserError: they may be either.
    """
    plain = _split(path, lines, "\t", quoted=False)
    if not any('"' in line for _, line in lines):
        return plain
    try:
        quoted = _split(path, lines, "\t", quoted=True)
    except UserError:
        return plain
    if plain == quoted or (_even(plain) and not _even(quoted)):
        return plain
    if _even(quoted) and not _even(plain):
        return quoted
    if len(plain) == len(quoted):
        cells = [cell for _, row in plain for cell in row if cell.startswith('"')]
        # Nobody but a program doubles the quotes within quotes.
        if any('""' in cell[1:-1] for cell in cells):
            return quoted
    number = next(n for (n, cells), row in zip(plain, quoted, strict=False) if (n, cells) != row)
    raise UserError(
        f"{path}, line {number}: a text in quotes, which are part of it or, as spreadsheet programs write, are not; "
        f"name the format with {option} tsv-quoted or {option} tsv-plain"
    )


def read_table(form: str, path: Path, lines: Lines, fields: Fields, prefix: str, option: str) -> Texts:
    """Rows of a table with a header, or with columns that are known by number.

    Args:
        form: csv, tsv, tsv-quoted or tsv-plain.
        path: the file, for messages.
        lines: its lines.
        fields: names of columns to look for, or their numbers.
        prefix: of the options that name fields.
        option: the one that names the format.

    Raises:
        UserError: it is no table, or columns are missing.
    """
    if form == "tsv":
        rows = _split_tabs(path, lines, option)
    else:
        first = lines[0][1] if lines else ""
        # Where a comma is the decimal point, spreadsheet programs write semicolons.
        delimiter = "\t" if form != "csv" else ";" if ";" in first and "," not in first else ","
        rows = _split(path, lines, delimiter, quoted=form != "tsv-plain")
    names: list[str] | None = None
    if not fields.id[0].isdecimal() and rows:
        names = _header(rows[0][1], f"{path}, line {rows[0][0]}")
        del rows[0]
    for number, cells in rows:
        if names is not None and len(cells) != len(names):
            raise UserError(f"{path}, line {number}: {len(cells)} columns, where the header has {len(names)}")
    return lines_of(
        form,
        path,
        [
            (number, dict(zip(names or map(str, range(1, len(cells) + 1)), cells, strict=True)))
            for number, cells in rows
        ],
        fields,
        prefix,
    )
