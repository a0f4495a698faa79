"""Errors that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """A mistake in input, settings or data that the user can mend.

    The message says what was found, where (file, line, utterance id) and what to do. The command line
    prints it without a traceback and exits with code 2.
    """


def check_output(out: Path, inputs: Iterable[Path | str]) -> None:
    """Raises UserError where a file or folder that is to be written is one of those that are read."""
    for name in inputs:
        if Path(name).exists() and out.exists() and out.samefile(name):
            raise UserError(f"{out}: is read, and would be written over; name another place for what is made of it")
