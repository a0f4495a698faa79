"""Transcripts in LibriSpeech's `.trans.txt` form: one utterance a line, its id first, then its words.

Kaldi's `text` files have the same form.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from asr.errors import UserError
from asr.whole_file import write_whole

MARK = "\ufeff"
"""The byte-order mark, with which some editors begin a file."""


def _read_bytes(path: Path) -> bytes:
    """A file's content, unpacked where it is gzip's."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot read transcripts ({found})") from None


def read_text_lines(path: Path) -> list[tuple[int, str]]:
    """Numbers (from 1) and contents of the lines of a UTF-8 file, gzipped or not, that are not blank.

    Line ends are taken off, and byte-order marks where lines begin.

    Raises:
        UserError: the file cannot be read, is not UTF-8, or has a byte-order mark within a line.
    """
    content = _read_bytes(path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        where = f"{path}, line {content.count(10, 0, error.start) + 1}"
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise UserError(f"{where}: {'UTF-16, ' if wide else ''}not UTF-8 text; convert the file to UTF-8") from None
    if MARK in text:
        text = re.sub(f"^{MARK}+", "", text, flags=re.MULTILINE)
        if MARK in text:
            raise UserError(
                f"{path}, line {text.count(chr(10), 0, text.index(MARK)) + 1}: a byte-order mark within the line, as "
                "where a file was joined to one without a last line end; part the lines, or delete the mark"
            )
    return [(n, line.rstrip("\r")) for n, line in enumerate(text.split("\n"), 1) if line and not line.isspace()]


def split_transcript_lines(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, utterance id and text of what `read_text_lines` gives; ids may repeat.

    Raises:
        UserError: a line has no id.
    """
    for number, line in lines:
        if line[0].isspace():
            raise UserError(f"{path}, line {number}: begins with a blank; write the utterance id first, then its words")
        name = line.split(maxsplit=1)[0]
        yield number, name, line[len(name) :].strip(" \t\r")


def read_transcript_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, utterance id and text of each line of a file; ids may repeat.

    Raises:
        UserError: as `read_text_lines`, or a line has no id.
    """
    return split_transcript_lines(read_text_lines(path), path)


def read_transcripts(path: Path) -> dict[str, str]:
    """Texts by utterance id, in the file's order. An id alone on its line has the empty text.

    Raises:
        UserError: the file cannot be read, is not UTF-8, has a line without an id, or repeats an id.
    """
    texts: dict[str, str] = {}
    for number, name, text in read_transcript_lines(path):
        if name in texts:
            raise UserError(f"{path}, line {number}: utterance id {name!r} occurs twice; keep one of its lines")
        texts[name] = text
    return texts


def write_transcripts(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts by utterance id. Runs of blanks in a text become one space.

    Raises:
        UserError: an id is empty or contains a blank, so that the line could not be read back; or it cannot be written
            there.
    """
    lines: list[str] = []
    for name, text in texts.items():
        if name.split() != [name]:
            raise UserError(f"{path}: utterance id {name!r} is empty or contains a blank; rename it")
        lines.append(" ".join([name, *text.split()]) + "\n")
    write_whole(path, "".join(lines))
