"""Transcripts and alignments as text, JSON, CTM and TextGrid, on the terminal or a file each."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from asr.errors import check_output
from asr.printable import printable
from asr.recognizer.audio import AudioFile, check_names
from asr.recognizer.captions import format_srt, format_vtt
from asr.recognizer.transcribe import Transcript
from asr.recognizer.words import Word
from asr.whole_file import make_folder, write_whole

Format = Callable[[Transcript], str]


def format_text(transcript: Transcript) -> str:
    return transcript.text + "\n"


def _shown(path: Path | str) -> str:
    """A path as text; bytes that are none as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def format_named_text(transcript: Transcript) -> str:
    # A file is a line, whatever its name.
    return f"{printable(_shown(transcript.file.path))}\t{transcript.text}\n"


def format_json(transcript: Transcript) -> str:
    """One line: audio, seconds, text, and words with start, end (seconds) and confidence.

    `outside`, where there is any, is the speech that an aligned text lacks.
    """
    content = {
        "audio": _shown(transcript.file.path),
        "id": _shown(transcript.file.name),
        "seconds": round(transcript.seconds, 3),
        "text": transcript.text,
        "words": [dataclasses.asdict(word) for word in transcript.words],
    }
    if transcript.outside:
        content["outside"] = [dataclasses.asdict(word) for word in transcript.outside]
    return json.dumps(content, ensure_ascii=False) + "\n"


def format_ctm(transcript: Transcript) -> str:
    """NIST's time-marked conversation format: id, channel, start, duration, word, confidence."""
    # Its fields are parted by blanks, so an id has none.
    name = re.sub(r"\s+", "_", _shown(transcript.file.name))
    return "".join(
        f"{name} 1 {w.start:.3f} {w.end - w.start:.3f} {w.text} {w.confidence:.4f}\n" for w in transcript.words
    )


def _intervals(words: Sequence[Word], seconds: float) -> list[tuple[float, float, str]]:
    """Intervals without a gap from 0 to the end, as Praat wants them; pauses are empty."""
    intervals: list[tuple[float, float, str]] = []
    now = 0.0
    for word in words:
        if word.start > now:
            intervals.append((now, word.start, ""))
        intervals.append((max(now, word.start), word.end, word.text))
        now = word.end
    if seconds > now or not intervals:
        intervals.append((now, seconds, ""))
    return intervals


def format_textgrid(transcript: Transcript) -> str:
    """Praat's long text format, with one tier of words."""
    end = max([transcript.seconds, *(word.end for word in transcript.words)])
    intervals = _intervals(transcript.words, end)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.3f}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
        f"        xmax = {end:.3f}",
        f"        intervals: size = {len(intervals)}",
    ]
    for number, (start, stop, text) in enumerate(intervals, 1):
        quoted = text.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {start:.3f}",
            f"            xmax = {stop:.3f}",
            f'            text = "{quoted}"',
        ]
    return "\n".join(lines) + "\n"


TRANSCRIPT_FORMATS: Mapping[str, Format] = {
    "txt": format_text,
    "json": format_json,
    "srt": lambda t: format_srt(t.words, t.seconds),
    "vtt": lambda t: format_vtt(t.words, t.seconds),
}
ALIGNMENT_FORMATS: Mapping[str, Format] = {"TextGrid": format_textgrid, "ctm": format_ctm, "json": format_json}


def _place(out: Path, file: AudioFile, suffix: str) -> Path:
    # Not with_suffix: a name may have a dot.
    return out / f"{file.name}.{suffix}"


def open_output(out: Path, files: Sequence[AudioFile], suffix: str) -> None:
    """Make the folder of results, before anything is heard.

    Raises:
        UserError: it cannot be made, two files have one name, or a result would be written over what is heard.
    """
    check_names(files)
    check_output([_place(out, file, suffix) for file in files], [file.path for file in files])
    make_folder(out)


def write_result(out: Path, file: AudioFile, suffix: str, text: str) -> Path:
    """Write `out/NAME.suffix`. Raises UserError where that is not possible."""
    path = _place(out, file, suffix)
    write_whole(path, text)
    return path
