"""Transcripts in the forms in which recognizers and corpora keep them."""

from __future__ import annotations

import csv
import json
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.errors import UserError
from asr.score.transcripts import read_text_lines, read_transcript_lines, split_transcript_lines

FORMATS = {
    "librispeech": "a .trans.txt file, or a folder with such files anywhere below",
    "kaldi": "text: id, then words; speakers from an utt2spk beside it",
    "jsonl": "an object a line",
    "csv": "with a header, or columns given by number",
    "tsv": "the same, without quotes",
    "trn": "sclite's: words, then (id); alternatives in references",
}
TREE_SUFFIX = ".trans.txt"
SUFFIXES = {TREE_SUFFIX: "librispeech", ".trn": "trn", ".csv": "csv", ".tsv": "tsv"}
SUFFIXES |= dict.fromkeys((".jsonl", ".json", ".ndjson"), "jsonl")

Lines = Sequence[tuple[int, str]]
"""Numbers and contents of a file's lines, read once: what a pipe holds is gone after that. None for a folder."""

_AUDIO_SUFFIX = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|webm|sph)$", re.IGNORECASE)


@dataclass(frozen=True)
class Fields:
    """Names to look for, the first present one is taken; or numbers of columns, from 1, of a file without header."""

    id: tuple[str, ...] = ("id", "utt_id", "uttid", "utterance_id", "key", "audio_filepath", "path", "audio", "file")
    text: tuple[str, ...] = ("text", "transcript", "sentence", "reference")
    speaker: tuple[str, ...] = ("speaker", "speaker_id", "spk", "client_id")
    subset: tuple[str, ...] = ("subset", "split")


FIELDS = Fields()
HYPOTHESIS_TEXT = ("pred_text", "hypothesis", *FIELDS.text)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One utterance as a file has it; `place` is for messages. Speaker and subset are None where it does not say."""

    id: str
    text: str
    place: str
    speaker: str | None = None
    subset: str | None = None


def detect_format(path: Path, lines: Lines) -> str:
    """One of `FORMATS`, from the name of a file or else from its first line.

    Raises:
        UserError: a folder holds no transcripts.
    """
    if path.is_dir():
        if (path / "text").is_file():
            return "kaldi"
        if next(path.rglob("*" + TREE_SUFFIX), None) is None:
            raise UserError(f"{path}: no {TREE_SUFFIX} file in or below this folder, and no Kaldi text file in it")
        return "librispeech"
    for suffix, name in SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return name
    first = next((line.strip() for _, line in lines if not line.startswith(";;")), "")
    if first.startswith("{") and first.endswith("}"):
        return "jsonl"
    return "trn" if first.endswith(")") and "(" in first else "kaldi"


def _subset_of(file: Path, root: Path) -> str:
    """LibriSpeech's files are at subset/speaker/chapter/, of which `root` may be any."""
    folders = file.relative_to(root).parts[:-1]
    if len(folders) >= 3:
        return folders[-3]
    return root.resolve().name if folders else file.name.partition(".")[0]


def _read_tree(path: Path, lines: Lines) -> Iterator[TextLine]:
    if not path.is_dir():
        for number, name, text in split_transcript_lines(lines, path):
            yield TextLine(name, text, f"{path}, line {number}")
        return
    for file in sorted(path.rglob("*" + TREE_SUFFIX)):
        subset = _subset_of(file, path)
        for number, name, text in read_transcript_lines(file):
            yield TextLine(name, text, f"{file}, line {number}", subset=subset)


def _read_kaldi(path: Path, lines: Lines) -> Iterator[TextLine]:
    if path.is_dir():
        path /= "text"
        lines = list(read_text_lines(path))
    beside = path.with_name("utt2spk")
    speakers = {name: speaker for _, name, speaker in read_transcript_lines(beside)} if beside.is_file() else {}
    for number, name, text in split_transcript_lines(lines, path):
        yield TextLine(name, text, f"{path}, line {number}", speakers.get(name))


def _read_trn(path: Path, lines: Lines) -> Iterator[TextLine]:
    for number, line in lines:
        place = f"{path}, line {number}"
        if line.startswith(";;"):
            continue
        text, opened, name = line.rstrip().rpartition("(")
        if not opened or not name.endswith(")") or not name[:-1].strip():
            raise UserError(
                f"{place}: does not end with an utterance id in parentheses, as .trn files have it; name another format"
            )
        yield TextLine(name[:-1].strip(), text.strip(), place)


def _pick(names: Iterable[str], present: Iterable[str], place: str, option: str) -> str:
    present = list(present)
    for name in names:
        if name in present:
            return name
    found = ", ".join(map(reprlib.repr, present[:20])) or "nothing"
    raise UserError(f"{place}: has none of {', '.join(names)}; it has {found}. Name the right one with {option}")


def _as_line(row: dict[str, Any], fields: Fields, place: str, prefix: str) -> TextLine:
    name = row[_pick(fields.id, row, place, f"{prefix}id-field")]
    text = row[_pick(fields.text, row, place, f"{prefix}text-field")]
    if not isinstance(name, str | int) or str(name).strip() == "":
        raise UserError(f"{place}: the id is {reprlib.repr(name)}, where a text is needed")
    place_of = f"{place}, utterance {reprlib.repr(name)}"
    if not isinstance(text, str):
        raise UserError(f'{place_of}: the text is {reprlib.repr(text)}; write "" where nothing was said')
    more = [next((row[key] for key in keys if row.get(key)), None) for keys in (fields.speaker, fields.subset)]
    for value in more:
        if not isinstance(value, str | int | float | None):
            raise UserError(f"{place_of}: speaker or subset is {reprlib.repr(value)}, where a text is needed")
    speaker, subset = (None if value is None else str(value) for value in more)
    try:
        f"{name}{text}{speaker}{subset}".encode()
    except UnicodeEncodeError:
        raise UserError(f"{place_of}: holds half of a surrogate pair, which is no text") from None
    return TextLine(str(name), text, place, speaker, subset)


def _read_json(path: Path, lines: Lines, fields: Fields, prefix: str) -> Iterator[TextLine]:
    for number, line in lines:
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{place}: not JSON ({error}); write an object a line") from None
        if not isinstance(row, dict):
            raise UserError(f"{place}: not a JSON object; write an object a line")
        yield _as_line(row, fields, place, prefix)


def _header(cells: Sequence[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name, count in Counter(names).items():
        # Spreadsheets end lines with empty columns, which have no name.
        if name and count > 1:
            raise UserError(f"{place}: {count} columns are named {name!r}; rename all but one")
    return names


def _read_table(path: Path, lines: Lines, fields: Fields, prefix: str, tabs: bool) -> Iterator[TextLine]:
    rows = csv.reader(
        (line + "\n" for _, line in lines),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        strict=not tabs,
    )
    head: list[str] | None = [] if fields.id[0].isdecimal() else None
    try:
        for cells in rows:
            place = f"{path}, line {lines[rows.line_num - 1][0]}"
            if head is None:
                head = _header(cells, place)
                continue
            names = head or [str(column) for column in range(1, len(cells) + 1)]
            if len(cells) != len(names):
                raise UserError(f"{place}: {len(cells)} columns, where the header has {len(names)}")
            yield _as_line(dict(zip(names, cells, strict=True)), fields, place, prefix)
    except csv.Error as error:
        raise UserError(f"{path}, line {lines[rows.line_num - 1][0]}: not a table ({error})") from None


def read_texts(
    path: Path, form: str | None = None, fields: Fields = FIELDS, prefix: str = "--"
) -> tuple[str, list[TextLine]]:
    """The format and all utterances of a file or folder; ids may repeat.

    Args:
        path: what to read; a file is opened once, so that it may be a pipe.
        form: one of `FORMATS`; None: by `detect_format`.
        fields: names of fields and columns, for JSON lines and tables.
        prefix: of the options to point to where a field is not found, as in `--id-field`.

    Raises:
        UserError: something cannot be read, with file and line.
    """
    lines = [] if path.is_dir() else list(read_text_lines(path))
    form = form or detect_format(path, lines)
    readers = {
        "librispeech": lambda: _read_tree(path, lines),
        "kaldi": lambda: _read_kaldi(path, lines),
        "trn": lambda: _read_trn(path, lines),
        "jsonl": lambda: _read_json(path, lines, fields, prefix),
        "csv": lambda: _read_table(path, lines, fields, prefix, tabs=False),
        "tsv": lambda: _read_table(path, lines, fields, prefix, tabs=True),
    }
    if form != "librispeech" and form != "kaldi" and path.is_dir():
        raise UserError(f"{path}: a folder; name the {form} file in it")
    return form, list(readers[form]())


def shorten_id(line: TextLine) -> TextLine:
    """The line with its id freed of folders and of an audio file's suffix."""
    return replace(line, id=_AUDIO_SUFFIX.sub("", line.id.replace("\\", "/").rpartition("/")[2]))
