"""Errors that a person can act on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


class UserError(Exception):
    """A mistake in input, settings or data that the user can mend.

    The message says what was found, where (file, line, utterance id) and what to do. The command line
    prints it without a traceback and exits with code 2.
    """


def check_output(outputs: Iterable[Path], inputs: Iterable[Path | str]) -> None:
    """Raises UserError where a file or folder that is to be written is one of those that are read."""
    there: dict[tuple[int, int], Path] = {}
    for out in outputs:
        with suppress(OSError):
            found = os.stat(out)  # noqa: PTH116 (of a million inputs Path objects take seconds)
            there[found.st_dev, found.st_ino] = out
    for name in inputs if there else ():
        with suppress(OSError):
            found = os.stat(name)  # noqa: PTH116
            written = there.get((found.st_dev, found.st_ino))
            if written is not None:
                raise UserError(
                    f"{written}: is read, and would be written over; name another place for what is made of it"
                )
