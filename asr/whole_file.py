"""Files and folders that are written whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from asr.errors import UserError


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are absent. Raises UserError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot make this folder ({error.strerror})") from None


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, in a folder that is made where it is absent: aside, and renamed at the end.

    Raises:
        UserError: it cannot be written there; nothing is left of it.
    """
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.partial")
    try:
        with aside.open("wb") as file:
            yield file
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        # An error that has the name of another file is of one that was read meanwhile.
        if isinstance(error, OSError) and error.filename in (None, str(aside)):
            raise UserError(f"{path}: cannot be written ({error.strerror}); make room, or name another place") from None
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write all of a file. Raises UserError as `whole_file`."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
