"""What the columns of a table are called, and the utterance that a row of it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from asr.errors import UserError
from data_prep.formats.rows import seconds_of, text_of
from data_prep.source import Source


def _in_seconds(*names: str) -> tuple[str, ...]:
    return tuple(name + unit for name in names for unit in ("", "_s", "_sec", "_seconds"))


COLUMNS = {
    "path": ("audio_filepath", "audio_path", "audio_file", "file_name", "filename", "file", "path", "wav", "audio"),
    "id": ("id", "utt_id", "utterance_id", "segment_id"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "spk_id", "client_id"),
    "offset": _in_seconds("offset", "start", "begin", "start_time", "begin_time"),
    "end": _in_seconds("end", "stop", "end_time"),
    "duration": _in_seconds("duration", "dur"),
    "channel": ("channel",),
}
"""What columns may be called. Times are in seconds."""
NEAR_SECONDS = 0.0021
"""As far as a beginning, an end and a duration, each rounded to a millisecond, may contradict each other."""

IN_TABLES = "'start' and 'end', or 'start' and 'duration'"
IN_JSON = "'offset' and 'duration'"

_PART = r"(?:(?:audio|clip|frame|sample|seg|segment|speech|t|time|utt|utterance|vad)[^a-z]*)?"
_UNIT = r"(?:[^a-z]*(?:time|stamp|ms|msecs?|millis|milliseconds|us|ns|s|secs?|seconds|samples?|frames?))*[^a-z]*"
_PLACE = re.compile(rf"{_PART}(?:start|begin|end|stop|onset|offset|[tx]min|[tx]max){_UNIT}")
_LENGTH = re.compile(rf"{_PART}(?:dur|duration|length){_UNIT}")


def _check_times(
    names: list[str], lowered: list[str], chosen: Mapping[str, int], where: str, remedy: str = IN_TABLES
) -> None:
    """Raises UserError where a column seems to say which part of a file is meant, and is none of those chosen."""
    # What is said of a length matters where a row begins somewhere, and nothing that is known says where it ends.
    open_ended = "offset" in chosen and not chosen.keys() & {"end", "duration"}
    patterns = (_PLACE, _LENGTH) if open_ended else (_PLACE,)
    odd = [
        repr(names[number])
        for number, name in enumerate(lowered)
        if number not in chosen.values() and any(pattern.fullmatch(name) for pattern in patterns)
    ]
    if odd:
        raise UserError(
            f"{where}: {', '.join(odd)}: times that are not read, without which a row would be another part of its "
            f"file; write {remedy}, in seconds, or rename what is no time"
        )


def choose_columns(names: list[str], where: str, audio: str | None = None) -> dict[str, int]:
    """The number of each column that is known, by what it holds.

    Args:
        names: of all columns.
        where: they stand.
        audio: the column that holds each row's own audio, so that others name nothing more and times are of something
            else; None: paths of files are looked for.

    Raises:
        UserError: none holds paths, two hold the same, or one seems to hold times and is not known.
    """
    lowered = [name.strip().lower() for name in names]
    chosen: dict[str, int] = {}
    for role, known in COLUMNS.items():
        found = [number for number, name in enumerate(lowered) if name in known]
        if role == "path" and audio is not None:
            found = [names.index(audio)]
        if len(found) > 1:
            both = " and ".join(repr(names[number]) for number in found)
            raise UserError(f"{where}: columns {both} both may be the {role}; rename one of them")
        if found:
            chosen[role] = found[0]
    if "path" not in chosen:
        raise UserError(
            f"{where}: no column of audio files among {', '.join(names)}; call it one of {', '.join(COLUMNS['path'])}"
        )
    if audio is None:
        _check_times(names, lowered, chosen, where)
    return chosen


def choose_fields(names: list[str], own: Mapping[str, str], where: str) -> dict[str, str]:
    """The field that holds each of what a format has names of its own for; where that is missing, by another name.

    Args:
        names: of a row's fields.
        own: the format's, by what they hold.
        where: the row stands.

    Raises:
        UserError: two others hold the same, or one that is not the format's seems to hold times.
    """
    lowered = [name.lower() for name in names]
    chosen = {role: names.index(name) for role, name in own.items() if name in names}
    for role in ("id", "text", "speaker"):
        found = [number for number, name in enumerate(lowered) if name in COLUMNS[role]]
        if role not in chosen and found:
            if len(found) > 1:
                both = " and ".join(repr(names[number]) for number in found)
                raise UserError(f"{where}: fields {both} both may be the {role}; call one of them {own[role]!r}")
            chosen[role] = found[0]
    if not {"offset", "duration"} <= chosen.keys():
        _check_times(names, lowered, chosen, where, IN_JSON)
    return {role: names[number] for role, number in chosen.items()}


def _times(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> tuple[float | None, float | None]:
    """Where an utterance begins, and how long it is; None where the row does not say."""
    offset, end, duration = (seconds_of(row, columns.get(role, ""), where) for role in ("offset", "end", "duration"))
    if end is None:
        return offset, duration
    offset = offset or 0.0
    if end <= offset:
        raise UserError(f"{where}: ends at {end:g} s, and begins at {offset:g} s")
    if duration is not None and abs(offset + duration - end) > NEAR_SECONDS:
        raise UserError(
            f"{where}: begins at {offset:g} s, ends at {end:g} s, and {columns['duration']!r} is {duration:g} s, which "
            "contradict each other; correct one of them, or leave out a column"
        )
    return offset, end - offset


def _channel(row: Mapping[str, Any], name: str, where: str) -> int | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    said = str(value)
    if isinstance(value, bool) or not (said.isdecimal() and int(said) > 0):
        raise UserError(f"{where}: channel must be a number from 1; found {value!r:.50}")
    return int(said)


def source_of(row: Mapping[str, Any], columns: Mapping[str, str], path: str, where: str) -> Source:
    """The utterance of a row.

    Args:
        row: values by the names of their columns.
        columns: the names, by what they hold.
        path: of the audio.
        where: the row stands.

    Raises:
        UserError: a value is not what it should be, or times contradict each other.
    """
    offset, duration = _times(row, columns, where)
    return Source(
        id=text_of(row, columns.get("id", ""), where) or "",
        speaker=text_of(row, columns.get("speaker", ""), where) or "",
        path=path,
        text=text_of(row, columns.get("text", ""), where),
        offset=offset or 0.0,
        seconds=None if offset is None else duration,
        # Without a beginning the whole file is meant.
        claim=duration if offset is None else None,
        channel=_channel(row, columns.get("channel", ""), where),
    )
