"""A line of JSON lines."""

from __future__ import annotations

import json
from typing import Any

from asr.errors import UserError


def json_object(line: str, where: str) -> dict[str, Any]:
    """The object that a line is.

    Args:
        line: of a file of JSON lines.
        where: the file and the line's number, for the error.

    Raises:
        UserError: it is no JSON, or no object.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON ({error}); each line must be one JSON object") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected a JSON object, found {type(row).__name__}")
    return row
