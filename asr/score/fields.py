"""Rows with named fields, JSON's or a table's: which field is what is decided once for a file."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from asr.errors import UserError
from asr.json_object import json_object
from asr.score.lines import FIELDS, Fields, Lines, TextLine, Texts

Row = tuple[int, dict[str, Any]]
"""The number of a line, and its fields."""

_NO_TEXT = {*FIELDS.id, *FIELDS.speaker, *FIELDS.subset, *FIELDS.offset, "lang", "language", "locale", "gender", "age"}
"""Fields that hold no words that were said."""


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(reprlib.repr, list(names)[:20])) or "nothing"


def _choose(names: Sequence[str], rows: Sequence[Row], path: Path, option: str) -> str:
    """The first of the names that any row has. Raises UserError where none has, or a row lacks it."""
    present = dict.fromkeys(key for _, row in rows for key in row)
    name = next((name for name in names if name in present), None)
    if name is None:
        raise UserError(
            f"{path}, line {rows[0][0]}: has none of {', '.join(names)}; it has {_list(rows[0][1])}. "
            f"Name the right one with {option}"
        )
    for number, row in rows:
        if name not in row:
            raise UserError(
                f"{path}, line {number}: has no {name!r}, which other lines have; it has {_list(row)}. Give every line "
                f"its {name!r}, or name another field with {option}"
            )
    return name


def _text(value: Any, place: str, what: str) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise UserError(f"{place}: {what} is {reprlib.repr(value)}, where a text is needed")
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise UserError(f"{place}: {what} holds half of a surrogate pair, which is no text") from None
    return str(value)


def _seconds(value: Any, place: str) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{place}: the offset is {reprlib.repr(value)}, where seconds are needed")
    return seconds


def lines_of(form: str, path: Path, rows: Sequence[Row], fields: Fields, prefix: str) -> Texts:
    """The utterances of rows.

    Args:
        form: of the file.
        path: the file, for messages.
        rows: its rows.
        fields: names to look for.
        prefix: of the options to point to where a field is not found, as in `--id-field`.

    Raises:
        UserError: a field is not there, or is none in one of the rows, or is no text.
    """
    if not rows:
        return Texts(form, [])
    id_field = _choose(fields.id, rows, path, f"{prefix}id-field")
    text_field = _choose(fields.text, rows, path, f"{prefix}text-field")
    present = dict.fromkeys(key for _, row in rows for key in row)
    speaker_field, subset_field, offset_field = (
        next((name for name in names if name in present), None)
        for names in (fields.speaker, fields.subset, fields.offset)
    )
    lines: list[TextLine] = []
    for number, row in rows:
        place = f"{path}, line {number}"
        name, text = row[id_field], row[text_field]
        if isinstance(name, float) or not str(name).strip():
            raise UserError(f"{place}: the id is {reprlib.repr(name)}, where a text is needed")
        name = _text(name, place, "the id")
        place = f"{place}, utterance {reprlib.repr(name)}"
        if not isinstance(text, str):
            raise UserError(f'{place}: the text is {reprlib.repr(text)}; write "" where nothing was said')
        text = _text(text, place, "the text")
        speaker, subset, offset = (
            None if field is None or row.get(field) in (None, "") else row[field]
            for field in (speaker_field, subset_field, offset_field)
        )
        lines.append(
            TextLine(
                name,
                text,
                path,
                number,
                None if speaker is None else _text(speaker, place, "the speaker"),
                None if subset is None else _text(subset, place, "the subset"),
                None if offset is None else _seconds(offset, place),
            )
        )
    used = {id_field, text_field, speaker_field, subset_field}
    unused = [
        key for key in present if key not in used | _NO_TEXT and any(isinstance(r.get(key), str) for _, r in rows)
    ]
    return Texts(form, lines, text_field, tuple(unused))


def read_json(path: Path, lines: Lines, fields: Fields, prefix: str) -> Texts:
    """An object a line."""
    rows: list[Row] = []
    for number, line in lines:
        rows.append((number, json_object(line, f"{path}, line {number}")))
    return lines_of("jsonl", path, rows, fields, prefix)
