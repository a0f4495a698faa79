"""Kaldi's data folders: `wav.scp`, and beside it, where there are any, `segments`, `text`, `utt2spk` and
`reco2file_and_channel`.

Format: https://kaldi-asr.org/doc/data_prep.html. Paths are relative to the folder, unless they are absolute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from asr.audio.measure import count_channels
from asr.audio.stream import Unreadable
from asr.audio.view import map_file
from asr.errors import UserError
from data_prep.formats.rows import read_lines, seconds_of
from data_prep.source import Listing, Rejection, Source, beside, canonical

RECORDINGS = "wav.scp"
SEGMENTS = "segments"
CHANNELS = "reco2file_and_channel"
IN_ARCHIVE = re.compile(r":\d+$")
SIDES = {"A": 1, "B": 2, "1": 1, "2": 2}
"""Channels as `reco2file_and_channel` calls them."""
TO_THE_END = "-1"
"""As the end of a segment."""
NOTHING = "None"
"""Lhotse's `export_to_kaldi` writes this for the text, or the speaker, of an utterance that has none."""


def _read_table(path: Path) -> dict[str, tuple[str, str]]:
    """What a file says of each id, and where: `id content`, a line each. Empty where there is no such file.

    Raises:
        UserError: it cannot be read, a line has no id, or an id is there twice, perhaps in another Unicode form.
    """
    table: dict[str, tuple[str, str]] = {}
    if not path.exists():
        return table
    for where, line in read_lines(path):
        if line[0].isspace():
            raise UserError(f"{where}: begins with a blank; write the id first")
        name, *content = line.split(maxsplit=1)
        if canonical(name) in table:
            raise UserError(f"{where}: id {name!r} occurs twice, or in two Unicode forms; keep one of its lines")
        table[canonical(name)] = (content[0].strip() if content else ""), where
    return table


def _said(table: dict[str, tuple[str, str]], name: str) -> str | None:
    content = table.get(name, (NOTHING, ""))[0]
    return None if content == NOTHING else content


def refuse_path(content: str, where: str) -> Rejection | None:
    """Why a recording cannot be opened; None where it is the path of a file."""
    if content.endswith("|") or content.startswith("|"):
        return Rejection(where, "a command instead of a file", f"{content}; run it once, and name the file it makes")
    if content == "-" or not content:
        return Rejection(where, "no path of a file", content)
    if IN_ARCHIVE.search(content):
        return Rejection(where, "in a Kaldi archive", f"{content}; write its audio to files")
    return None


def _parts(segments: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str, float, float | None, str]]:
    """Utterance, recording, beginning and duration of each segment, and where it says so."""
    for name, (content, where) in segments.items():
        fields = content.split()
        if len(fields) != 3:
            raise UserError(f"{where}: expected an utterance, a recording, and where it begins and ends in seconds")
        times = dict(zip(("begin", "end"), fields[1:], strict=True))
        begin = seconds_of(times, "begin", where) or 0.0
        end = None if times["end"] == TO_THE_END else seconds_of(times, "end", where)
        if end is not None and end <= begin:
            raise UserError(f"{where}: ends at {end:g} s, and begins at {begin:g} s")
        yield name, canonical(fields[0]), begin, None if end is None else end - begin, where


def _is_mono(path: str) -> bool:
    try:
        return count_channels(path, map_file(Path(path))) == 1
    except Unreadable:
        # It is told when it is decoded.
        return False


def _channels(folder: Path, paths: dict[str, str]) -> dict[str, int] | None:
    """The channel of each recording, by the paths of recordings; None where no file says any.

    Raises:
        UserError: a line is not what it should be.
    """
    if not (folder / CHANNELS).exists():
        return None
    uses = Counter(paths.values())
    channels: dict[str, int] = {}
    for name, (content, where) in _read_table(folder / CHANNELS).items():
        fields = content.split()
        if len(fields) != 2 or fields[1].upper() not in SIDES:
            raise UserError(f"{where}: expected a recording, a file, and a channel: A or B, 1 or 2")
        channels[name] = SIDES[fields[1].upper()]
        # The file that is meant may have been parted into one for each side, which wav.scp then names.
        if channels[name] == 2 and name in paths and uses[paths[name]] == 1 and _is_mono(paths[name]):
            channels[name] = 1
    return channels


def read_kaldi(folder: Path) -> Listing:
    """The utterances of a data folder.

    Raises:
        UserError: a file cannot be read, a line is not what it should be, or `segments` is empty.
    """
    names = (RECORDINGS, SEGMENTS, "text", "utt2spk")
    recordings, segments, texts, speakers = (_read_table(folder / name) for name in names)
    listing = Listing(files=[folder / name for name in (*names, CHANNELS) if (folder / name).exists()])
    refused = {name: refuse_path(*row) for name, row in recordings.items()}
    paths = {name: beside(folder, content) for name, (content, _) in recordings.items() if refused[name] is None}
    channels = _channels(folder, paths)
    if segments:
        parts = list(_parts(segments))
    elif (folder / SEGMENTS).exists():
        raise UserError(f"{folder / SEGMENTS}: no line in it, and so no utterance; delete it if each recording is one")
    else:
        parts = [(name, name, 0.0, None, where) for name, (_, where) in recordings.items()]
    for name, recording, begin, seconds, where in parts:
        if recording not in recordings:
            listing.rejections.append(Rejection(where, "recording is not in wav.scp", f"{name}: {recording}"))
        elif speakers and name not in speakers:
            listing.rejections.append(Rejection(where, "no speaker in utt2spk", name))
        elif (why := refused[recording]) is not None:
            listing.rejections.append(replace(why, detail=f"{name}: {why.detail}"))
        elif channels is not None and recording not in channels:
            listing.rejections.append(Rejection(where, f"no channel in {CHANNELS}", f"{name}: {recording}"))
        else:
            text, speaker = (_said(table, name) for table in (texts, speakers))
            channel = None if channels is None else channels[recording]
            listing.sources.append(Source(name, speaker or "", paths[recording], text, begin, seconds, channel=channel))
    said = {part[0] for part in parts}
    for name, (_, where) in texts.items():
        if name not in said:
            listing.rejections.append(Rejection(where, "transcript without audio", name))
    heard = {part[1] for part in parts}
    for name, (_, where) in recordings.items():
        if name not in heard:
            listing.rejections.append(Rejection(where, "recording without a segment", name))
    return listing
