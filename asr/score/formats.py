"""Transcripts in the forms in which recognizers and corpora keep them: which form a file has, and reading it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from asr.errors import UserError
from asr.files_below import files_below
from asr.score.fields import read_json
from asr.score.lines import FIELDS, HYPOTHESIS_TEXT, Fields, Lines, TextLine, Texts
from asr.score.tables import read_table
from asr.score.timed import read_ctm, read_stm
from asr.score.transcripts import read_text_lines, read_transcript_lines, split_transcript_lines

FORMATS = {
    "librispeech": "a .trans.txt file, or a folder with such files anywhere below",
    "kaldi": "text: id, then words; speakers from an utt2spk beside it",
    "jsonl": "an object a line; rows of one recording are told apart by their field offset",
    "csv": "with a header, or columns given by number",
    "tsv": "the same with tabs; tsv-quoted, tsv-plain: quotes around a text are not, or are part of it",
    "tsv-quoted": "as spreadsheet programs and pandas write it",
    "tsv-plain": "as Common Voice writes it",
    "trn": "sclite's: words, then (id); alternatives { a / b / @ }",
    "stm": "NIST's references with times: file, channel, speaker, begin, end, <label>, words",
    "ctm": "NIST's words with times, for references in stm: file, channel, begin, duration, word",
    "icefall": "recogs files, with ref=[…] and hyp=[…] of each utterance",
}
TREE_SUFFIX = ".trans.txt"
SUFFIXES = {TREE_SUFFIX: "librispeech", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl"}
SUFFIXES |= {f".{name}": name for name in ("trn", "stm", "ctm", "csv", "tsv")}

_AUDIO_SUFFIX = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|webm|sph)$", re.IGNORECASE)
_RECOGS = re.compile(r"(\S+):\s+(ref|hyp|timestamp_ref|timestamp_hyp)=(.*)")
_OTHERS = {
    r"WEBVTT": "captions (WebVTT)",
    r"\d+\s*\n\s*\d+:\d+:\d+\S* -->": "captions (SRT)",
    r"SPEAKER\s+\S+\s+\S+\s+[\d.]+\s+[\d.]+\s+<NA>": "speakers without words (RTTM)",
    r"#!MLF!#": "a master label file (HTK)",
    r'File type = "ooTextFile"': "a TextGrid",
    r"<(\?xml|!DOCTYPE|html)": "XML or HTML",
    r'\[?\{\s*$|\[\s*([\[{"]|$)|\{\s*"[^"]*"\s*:.*[^}\s]\s*$': "JSON over several lines",
}
"""How files begin that are not read here, and what they are."""
OTHER_SUFFIXES = (".srt", ".vtt", ".textgrid", ".rttm", ".mlf", ".eaf", ".xml", ".html", ".xlsx", ".ods", ".parquet")


def _refuse(place: str, what: str) -> UserError:
    return UserError(f"{place}: {what}, which is not read here; the formats are {', '.join(FORMATS)}")


def _is_timed(lines: Lines, columns: tuple[int, int], most: int) -> bool:
    """Whether all lines have five cells or more, up to `most`, with numbers in two columns."""
    number = re.compile(r"-?(\d+\.?\d*|\.\d+)$")

    def has_times(cells: list[str]) -> bool:
        return 5 <= len(cells) <= most and (
            cells[4].upper().startswith("<ALT") or all(number.match(cells[column]) for column in columns)
        )

    return all(line.startswith((";;", "**")) or has_times(line.split(maxsplit=6)) for _, line in lines)


def _has_header(first: str, delimiter: str) -> bool:
    cells = [cell.strip(' "') for cell in first.split(delimiter)]
    return bool({*FIELDS.id} & {*cells}) and bool({*HYPOTHESIS_TEXT} & {*cells})


def detect_format(path: Path, lines: Lines) -> tuple[str, Literal["name", "content"]]:
    """One of `FORMATS`, and whether the name of a file tells it or its content.

    Raises:
        UserError: a folder holds no transcripts, or the file is none of those that are read here.
    """
    if path.is_dir():
        if (path / "text").is_file():
            return "kaldi", "name"
        if not _tree(path):
            raise UserError(f"{path}: no {TREE_SUFFIX} file in or below this folder, and no Kaldi text file in it")
        return "librispeech", "name"
    for suffix, name in SUFFIXES.items():
        if path.name.lower().removesuffix(".gz").endswith(suffix):
            return name, "name"
    for beginning, what in _OTHERS.items():
        if re.match(beginning, "\n".join(line for _, line in lines[:2]), re.MULTILINE):
            raise _refuse(f"{path}, line {lines[0][0]}", what)
    first = next((line.strip() for _, line in lines if not line.startswith(";;")), "")
    if first.startswith("{") and first.endswith("}"):
        return "jsonl", "content"
    if _RECOGS.match(first):
        return "icefall", "content"
    if first.endswith(")") and "(" in first:
        return "trn", "content"
    for delimiter, name in (("\t", "tsv"), (",", "csv"), (";", "csv")):
        if _has_header(first, delimiter):
            return name, "content"
    names = [line.split(maxsplit=1)[0] for _, line in lines if not line.startswith(";;")]
    # Digits may be words.
    may_be = ["kaldi"] if len({*names}) == len(names) else []
    may_be += [name for name, where, most in (("stm", (3, 4), 7), ("ctm", (2, 3), 6)) if _is_timed(lines, where, most)]
    if len(may_be) > 1 and names:
        raise UserError(f"{path}: may be {' or '.join(may_be)}; name the format with --ref-format or --hyp-format")
    return (may_be or ["kaldi"])[0], "content"


def _tree(path: Path) -> list[Path]:
    """Files of transcripts in or below a folder, gzipped or not."""
    return [file for file in files_below(path) if file.name.endswith((TREE_SUFFIX, TREE_SUFFIX + ".gz"))]


def _subset_of(file: Path, root: Path) -> str:
    """LibriSpeech's files are at subset/speaker/chapter/, of which `root` may be any."""
    folders = file.relative_to(root).parts[:-1]
    if len(folders) >= 3:
        return folders[-3]
    return root.resolve().name if folders else file.name.partition(".")[0]


def _read_tree(path: Path, lines: Lines) -> Iterator[TextLine]:
    if not path.is_dir():
        for number, name, text in split_transcript_lines(lines, path):
            yield TextLine(name, text, path, number)
        return
    for file in _tree(path):
        subset = _subset_of(file, path)
        for number, name, text in read_transcript_lines(file):
            yield TextLine(name, text, file, number, subset=subset)


def _read_kaldi(path: Path, lines: Lines) -> Iterator[TextLine]:
    if path.is_dir():
        path /= "text"
        lines = read_text_lines(path)
    beside = path.with_name("utt2spk")
    speakers = {name: speaker for _, name, speaker in read_transcript_lines(beside)} if beside.is_file() else {}
    for number, name, text in split_transcript_lines(lines, path):
        yield TextLine(name, text, path, number, speakers.get(name) or None)


def _read_trn(path: Path, lines: Lines) -> Iterator[TextLine]:
    for number, line in lines:
        if line.startswith(";;"):
            continue
        text, opened, name = line.rstrip().rpartition("(")
        if not opened or not name.endswith(")") or not name[:-1].strip():
            raise UserError(
                f"{path}, line {number}: does not end with an utterance id in parentheses, as .trn files have it; "
                "name another format"
            )
        yield TextLine(name[:-1].strip(), text.strip(" \t"), path, number)


def _read_recogs(path: Path, lines: Lines, side: str) -> Iterator[TextLine]:
    """One of the two texts of each utterance; the other one must be there too."""
    seen: dict[str, list[str]] = {}
    for number, line in lines:
        found = _RECOGS.match(line)
        place = f"{path}, line {number}"
        if not found:
            raise UserError(f"{place}: not as icefall writes recogs, an id and a colon, then ref=[…] or hyp=[…]")
        name, label, content = found.groups()
        if label.startswith("timestamp"):
            continue
        seen.setdefault(name, []).append(label)
        if label != side:
            continue
        try:
            words = ast.literal_eval(content)
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise ValueError("no list of words")
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise UserError(f"{place}: {label}= is not followed by a list of words") from None
        yield TextLine(name, " ".join(words), path, number)
    for name, labels in seen.items():
        if side not in labels:
            raise UserError(f"{path}: utterance {name!r} has no {side}=")


def read_texts(path: Path, form: str | None = None, fields: Fields = FIELDS, prefix: str = "--") -> Texts:
    """The format and all utterances of a file or folder; ids may repeat.

    Args:
        path: what to read; a file is opened once, so that it may be a pipe.
        form: one of `FORMATS`; None: by `detect_format`.
        fields: names of fields and columns, for JSON lines and tables.
        prefix: of the options to point to where a field is not found, as in `--id-field`.

    Raises:
        UserError: something cannot be read, with file and line, and with the format where that was guessed.
    """
    if form is None and path.name.lower().removesuffix(".gz").endswith(OTHER_SUFFIXES):
        raise _refuse(str(path), f"a {path.suffix} file")
    lines = [] if path.is_dir() else read_text_lines(path)
    if form is None:
        form, where = detect_format(path, lines)
        try:
            return _read(path, lines, form, fields, prefix)
        except UserError as error:
            raise UserError(f"{error} (read as {form}, by its {where})") from None
    return _read(path, lines, form, fields, prefix)


def _read(path: Path, lines: Lines, form: str, fields: Fields, prefix: str) -> Texts:
    option = "--hyp-format" if prefix == "--hyp-" else "--ref-format"
    if form != "librispeech" and form != "kaldi" and path.is_dir():
        raise UserError(f"{path}: a folder; name the {form} file in it")
    if form == "jsonl":
        return read_json(path, lines, fields, prefix)
    if form in ("csv", "tsv", "tsv-quoted", "tsv-plain"):
        return read_table(form, path, lines, fields, prefix, option)
    if form == "icefall":
        return Texts(form, list(_read_recogs(path, lines, fields.recogs)), fields.recogs)
    readers = {
        "librispeech": _read_tree,
        "kaldi": _read_kaldi,
        "trn": _read_trn,
        "stm": read_stm,
        "ctm": read_ctm,
    }
    return Texts(form, list(readers[form](path, lines)))


def shorten_id(line: TextLine) -> TextLine:
    """The line with its id freed of folders and of an audio file's suffix."""
    return line._replace(id=_AUDIO_SUFFIX.sub("", line.id.replace("\\", "/").rpartition("/")[2]))
