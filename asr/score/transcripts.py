"""Transcripts in LibriSpeech's `.trans.txt` form: one utterance a line, its id first, then its words.

Kaldi's `text` files have the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from asr.errors import UserError


def read_text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers (from 1) and contents of the lines of a UTF-8 file that are not blank, without their line ends.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot read transcripts ({error.strerror})") from None
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            raise UserError(f"{path}, line {number}: not UTF-8 text; convert the file to UTF-8") from None
        if line.strip():
            yield number, line.rstrip("\r")


def split_transcript_lines(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, utterance id and text of what `read_text_lines` gives; ids may repeat.

    Raises:
        UserError: a line has no id.
    """
    for number, line in lines:
        if line[0].isspace():
            raise UserError(f"{path}, line {number}: begins with a blank; write the utterance id first, then its words")
        name, *words = line.split(maxsplit=1)
        yield number, name, words[0].rstrip() if words else ""


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
