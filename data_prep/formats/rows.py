"""Lines and fields of the files that corpora are written down in."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asr.data.manifest import MOST_SECONDS
from asr.errors import UserError
from asr.json_object import json_object


def read_lines(path: Path, blank: bool = False) -> Iterator[tuple[str, str]]:
    """`file, line n` and the content of each line that is not blank, or of all; `.gz` is unpacked.

    Raises:
        UserError: the file cannot be read, or a line is not UTF-8.
    """
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.decode().removeprefix("\ufeff") if number == 1 else raw.decode()
                if blank or line.strip():
                    yield f"{path}, line {number}", line.rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(f"{path}, line {number}: not UTF-8 text; convert the file to UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def read_json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """`file, line n` and the object of each line.

    Raises:
        UserError: as `read_lines`, or a line is no JSON object.
    """
    for where, line in read_lines(path):
        yield where, json_object(line, where)


def text_of(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """A field of text; None where it is absent or null.

    Raises:
        UserError: it is something else. A whole number is an id as toolkits write it.
    """
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{where}: field {name!r} must be text, found {value!r:.50}")
    return value


def seconds_of(row: Mapping[str, Any], name: str, where: str) -> float | None:
    """A field of seconds; None where it is absent, null or empty text.

    Raises:
        UserError: it is something else, or negative.
    """
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < MOST_SECONDS:
        raise UserError(f"{where}: field {name!r} must be a number of seconds, at least 0; found {value!r:.50}")
    return seconds
