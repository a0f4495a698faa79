"""Lhotse's manifests: JSON lines, mostly packed, of cuts, or of recordings and supervisions.

Fields as Lhotse 1.33 writes them: https://lhotse.readthedocs.io. Paths are relative to the manifest's folder, unless
they are absolute. What Lhotse computes when audio is loaded (mixing, padding, other speeds) is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asr.data.manifest import MOST_SECONDS
from asr.errors import UserError
from data_prep.formats.rows import read_json, seconds_of, text_of
from data_prep.source import Listing, Rejection, Source, beside

KINDS = ("cuts", "recordings", "supervisions")
SUFFIXES = (".jsonl", ".jsonl.gz")
NEAR_SECONDS = 0.01
"""Lhotse rounds times to the nearest sample."""

Row = Mapping[str, Any]


def kind_of(row: Row) -> str | None:
    """Which of `KINDS` a manifest's first row belongs to; None: it is none of Lhotse's."""
    if "supervisions" in row or "tracks" in row or str(row.get("type")).endswith("Cut"):
        return "cuts"
    if "sources" in row and "sampling_rate" in row:
        return "recordings"
    return "supervisions" if "recording_id" in row else None


def _objects(row: Row, name: str, where: str) -> list[Row]:
    """A field that lists objects; empty where it is absent or null. Raises UserError where it is something else."""
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UserError(f"{where}: field {name!r} must be a list of objects, found {value!r:.50}")
    return value


def _begin(row: Row, where: str, least: float = 0.0) -> float:
    """Where a row begins, in seconds; 0 where it does not say. Raises UserError where that is no number."""
    value = row.get("start", 0.0)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value < MOST_SECONDS:
        raise UserError(f"{where}: field 'start' must be a number of seconds, at least {least:g}; found {value!r:.50}")
    return float(value)


def _channels(source: Row, where: str) -> list[int]:
    """Raises UserError where a source's channels are no list of numbers."""
    value = source.get("channels", [])
    if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
        raise UserError(f"{where}: field 'channels' must be a list of numbers, found {value!r:.50}")
    return value


def _recording(row: Row, channel: int, folder: Path, where: str) -> Source | Rejection:
    """A recording, from which utterances are made."""
    name = text_of(row, "id", where) or ""
    if row.get("transforms"):
        return Rejection(where, "audio is changed as it is loaded", f"{name}: {row['transforms']!r:.80}")
    for source in _objects(row, "sources", where):
        channels = _channels(source, where)
        if channel not in channels:
            continue
        if source.get("type") != "file":
            detail = f"{name}: of type {source.get('type')!r}; write it to a file"
            command = source.get("type") == "command"
            return Rejection(where, "a command instead of a file" if command else "audio is not in a file", detail)
        path = text_of(source, "source", where)
        if not path or "\0" in path:
            raise UserError(f"{where}: field 'source' must be the path of a file; found {path!r:.50}")
        number = None if len(channels) == 1 else channels.index(channel) + 1
        claim = seconds_of(row, "duration", where)
        return Source("", "", beside(folder, path), None, claim=claim, channel=number)
    return Rejection(where, "no such channel", f"{name}: {channel}")


def _channel(row: Row, where: str) -> int | Rejection:
    channel = row.get("channel", 0)
    if isinstance(channel, list) and len(channel) == 1:
        channel = channel[0]
    if not isinstance(channel, int):
        return Rejection(where, "several channels at once", f"{row.get('id')}: {channel!r}")
    return channel


def _utterance(row: Row, name: str, recording: Source, begin: float, seconds: float | None, where: str) -> Source:
    return Source(
        id=name,
        speaker=text_of(row, "speaker", where) or "",
        path=recording.path,
        text=text_of(row, "text", where),
        offset=begin,
        seconds=seconds,
        claim=recording.claim,
        channel=recording.channel,
    )


def _of_cut(cut: Row, folder: Path, where: str) -> Iterator[Source | Rejection]:
    """A cut's utterances: its supervisions, or itself where it has none."""
    name = text_of(cut, "id", where) or ""
    if cut.get("type") not in ("MonoCut", "MultiCut") or not isinstance(cut.get("recording"), dict):
        yield Rejection(where, "a cut without a recording of its own", f"{name}: {cut.get('type')}")
        return
    channel = _channel(cut, where)
    if isinstance(channel, Rejection):
        yield channel
        return
    recording = _recording(cut["recording"], channel, folder, where)
    if isinstance(recording, Rejection):
        yield recording
        return
    start, length = _begin(cut, where), seconds_of(cut, "duration", where)
    if length is None:
        raise UserError(f"{where}: field 'duration' is missing")
    said = _objects(cut, "supervisions", where)
    if not said:
        yield _utterance({}, name, recording, start, length, where)
    for supervision in said:
        # Relative to the cut, which may begin or end within it.
        begin, seconds = _begin(supervision, where, -MOST_SECONDS), seconds_of(supervision, "duration", where)
        if seconds is None or begin < -NEAR_SECONDS or begin + seconds > length + NEAR_SECONDS:
            yield Rejection(where, "a cut within an utterance", f"{name}: {supervision.get('id')}")
            continue
        own = text_of(supervision, "id", where) or name
        yield _utterance(supervision, own, recording, start + max(0.0, begin), seconds, where)


def _of_supervision(
    row: Row, recordings: Mapping[str, tuple[str, Row]], folder: Path, where: str
) -> Source | Rejection:
    name, recorded = text_of(row, "id", where) or "", text_of(row, "recording_id", where) or ""
    if recorded not in recordings:
        return Rejection(where, "recording is not in the manifest of recordings", f"{name}: {recorded}")
    channel = _channel(row, where)
    if isinstance(channel, Rejection):
        return channel
    recording = _recording(recordings[recorded][1], channel, folder, recordings[recorded][0])
    if isinstance(recording, Rejection):
        return recording
    begin, seconds = _begin(row, where), seconds_of(row, "duration", where)
    return _utterance(row, name, recording, begin, seconds, where)


def find_lhotse(folder: Path) -> Path | None:
    """The one manifest in a folder: of cuts, or else of supervisions, or else of recordings.

    Raises:
        UserError: there are several of a kind.
    """
    for kind in ("cuts", "supervisions", "recordings"):
        found = sorted(p for p in folder.iterdir() if kind in p.name and p.name.endswith(SUFFIXES))
        if len(found) > 1:
            names = ", ".join(p.name for p in found[:8])
            raise UserError(f"{folder}: several manifests of {kind} ({names}); name one of them as the subset")
        if found:
            return found[0]
    return None


def _recordings_of(supervisions: Path) -> Path:
    found = supervisions.with_name(supervisions.name.replace("supervisions", "recordings"))
    if found == supervisions or not found.exists():
        raise UserError(f"{supervisions}: no manifest of recordings beside it, of the same name but for that word")
    return found


def _of_recordings(path: Path) -> Iterator[Source | Rejection]:
    for where, row in read_json(path):
        recording = _recording(row, 0, path.parent, where)
        name = text_of(row, "id", where) or ""
        if isinstance(recording, Source):
            yield _utterance({}, name, recording, 0.0, None, where)
        else:
            yield recording


def _of_supervisions(path: Path, recorded: Path) -> Iterator[Source | Rejection]:
    recordings = {text_of(row, "id", where) or "": (where, row) for where, row in read_json(recorded)}
    heard: set[str] = set()
    for where, row in read_json(path):
        heard.add(text_of(row, "recording_id", where) or "")
        yield _of_supervision(row, recordings, path.parent, where)
    for name, (where, _) in recordings.items():
        if name not in heard:
            yield Rejection(where, "recording without a supervision", name)


def read_lhotse(path: Path) -> Listing:
    """The utterances of a manifest: of cuts, of supervisions with that of recordings beside it, or of recordings.

    Raises:
        UserError: a file cannot be read, a line is not what it should be, or recordings are missing.
    """
    listing = Listing(files=[path])
    found: Iterator[Source | Rejection]
    kind = kind_of(next((row for _, row in read_json(path)), {}))
    if kind == "cuts":
        found = (item for where, row in read_json(path) for item in _of_cut(row, path.parent, where))
    elif kind == "supervisions":
        recorded = _recordings_of(path)
        listing.files.append(recorded)
        found = _of_supervisions(path, recorded)
    else:
        found = _of_recordings(path)
    for item in found:
        if isinstance(item, Source):
            listing.sources.append(item)
        else:
            listing.rejections.append(item)
    return listing
