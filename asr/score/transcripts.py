"""Transcripts in LibriSpeech's `.trans.txt` form: one utterance a line, its id first, then its words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asr.errors import UserError


def read_transcripts(path: Path) -> dict[str, str]:
    """Texts by utterance id, in the file's order. An id alone on its line has the empty text.

    Raises:
        UserError: the file cannot be read, is not UTF-8, has a line without an id, or repeats an id.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot read transcripts ({error.strerror})") from None
    texts: dict[str, str] = {}
    for number, raw in enumerate(lines, 1):
        where = f"{path}, line {number}"
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            raise UserError(f"{where}: not UTF-8 text; convert the file to UTF-8") from None
        if not line.strip():
            continue
        if line[0].isspace():
            raise UserError(f"{where}: begins with a blank; write the utterance id first, then its words")
        name, *words = line.split(maxsplit=1)
        if name in texts:
            raise UserError(f"{where}: utterance id {name!r} occurs twice; keep one of its lines")
        texts[name] = words[0].rstrip() if words else ""
    return texts


def write_transcripts(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts by utterance id, aside and then renamed. Runs of blanks in a text become one space.

    Raises:
        UserError: an id is empty or contains a blank, so that the line could not be read back.
    """
    lines: list[str] = []
    for name, text in texts.items():
        if name.split() != [name]:
            raise UserError(f"{path}: utterance id {name!r} is empty or contains a blank; rename it")
        lines.append(" ".join([name, *text.split()]) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text("".join(lines), encoding="utf-8", newline="\n")
    aside.replace(path)
