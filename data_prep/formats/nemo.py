"""NeMo's manifests: JSON lines, of audio in files or in tar archives of shards.

Fields: `audio_filepath` (or `audio_file`), `duration`, `offset`, `text`, and of ours `id` and `speaker`; for the last
three, where they are missing, what tables may call them. Of an archive
they are those that NeMo's `convert_to_tarred_audio_dataset` writes: `shard_id`, and a file's name in which folders and
dots are underlines. Our own packs name the place of a file in its archive instead (`asr.data.packed`).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from asr.data.packed import find_place
from asr.errors import UserError
from data_prep.formats.columns import choose_fields
from data_prep.formats.rows import read_json, seconds_of, text_of
from data_prep.source import Listing, Rejection, Source, beside, named

RANGE = re.compile(r"_OP_(\d+)\.\.(\d+)_CL_")
"""NeMo's way to write `{0..7}` where a shell would take that for its own."""
AGAIN = re.compile(r"-sub\d+$")
"""Behind the name of a file that is in the archive once, and has several utterances."""
CHANNELS = ("channel", "channel_selector")
"""Fields that other programs write, some of which count from 0. The manifest itself has none."""
TARRED = "tarred_audio_manifest.json"
FIELDS = {role: role for role in ("id", "text", "speaker", "offset", "duration")}


def expand(path: Path) -> list[Path]:
    """The files that a name with a range stands for."""
    found = RANGE.search(path.name)
    if found is None:
        return [path]
    first, last = map(int, found.groups())
    if last < first:
        raise UserError(f"{path}: a range from {first} to {last} is empty")
    return [
        path.with_name(path.name[: found.start()] + str(n) + path.name[found.end() :]) for n in range(first, last + 1)
    ]


def _read_archive(path: Path) -> dict[str, tuple[str, tuple[int, int]]]:
    """Name, first byte and size of each file in an archive, by its name without suffix."""
    try:
        with tarfile.open(path, "r:") as tar:
            files = [member for member in tar if member.isfile()]
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    return {str(PurePosixPath(m.name).with_suffix("")): (m.name, (m.offset_data, m.size)) for m in files}


class _Archives:
    """The archives beside a manifest, by shard."""

    def __init__(self, manifest: Path, given: list[Path]) -> None:
        self._given = given
        self._folders = [manifest.parent, manifest.parent.parent]
        self._read: dict[str, tuple[Path, dict[str, tuple[str, tuple[int, int]]]]] = {}
        self.used: set[tuple[str, str]] = set()

    def _find(self, shard: str, where: str) -> Path:
        if self._given:
            numbered = [path for path in self._given if re.search(rf"(?<!\d){shard}\.tar$", path.name)]
        else:
            numbered = [folder / f"audio_{shard}.tar" for folder in self._folders]
        for path in numbered:
            if path.is_file():
                return path
        beside = ", ".join(str(path) for path in numbered) or ", ".join(path.name for path in self._given)
        raise UserError(f"{where}: no archive of shard {shard}; looked for {beside}")

    def locate(self, shard: str, name: str, where: str) -> tuple[Path, str, tuple[int, int]] | None:
        """Archive, file and place of a row's audio; None where the archive lacks it."""
        if shard not in self._read:
            path = self._find(shard, where)
            self._read[shard] = path, _read_archive(path)
        path, members = self._read[shard]
        stem = str(PurePosixPath(name).with_suffix(""))
        member = members.get(stem) or members.get(AGAIN.sub("", stem))
        if member is None:
            return None
        self.used.add((shard, member[0]))
        return path, *member

    def files(self) -> Iterator[Path]:
        yield from (path for path, _ in self._read.values())

    def unused(self) -> Iterator[Rejection]:
        for shard, (path, members) in self._read.items():
            for name, _ in members.values():
                if (shard, name) not in self.used:
                    yield Rejection(f"{path}/{name}", "audio without a row")


def _source(
    row: dict[str, Any], fields: Mapping[str, str], folder: Path, archives: _Archives, where: str
) -> Source | Rejection:
    key = "audio_filepath" if "audio_filepath" in row else "audio_file"
    if isinstance(row.get(key), list):
        return Rejection(where, "several files of one utterance", f"{len(row[key])} files in field {key!r}")
    if (channel := next((field for field in CHANNELS if row.get(field) is not None), None)) is not None:
        detail = f"{channel} = {row[channel]!r:.20}; leave it out, or write CSV, whose column counts channels from 1"
        return Rejection(where, "names a channel", detail)
    name = text_of(row, key, where)
    if not name or "\0" in name:
        raise UserError(f"{where}: field 'audio_filepath' must be the path of a file; found {row.get(key)!r:.50}")
    offset, duration = seconds_of(row, "offset", where), seconds_of(row, "duration", where)
    source = Source(
        id=text_of(row, fields.get("id", ""), where) or "",
        speaker=text_of(row, fields.get("speaker", ""), where) or "",
        path=beside(folder, name),
        text=text_of(row, fields.get("text", ""), where),
        offset=offset or 0.0,
        seconds=None if offset is None else duration,
        # Without an offset the whole file is meant.
        claim=duration if offset is None else None,
    )
    if (place := find_place(source.path)) is not None:
        part = (place.first, place.size)
        return replace(source, path=place.tar, member=source.id, part=part, crc=place.crc)
    shard = text_of(row, "shard_id", where)
    if shard is None:
        return source
    found = archives.locate(shard, name, where)
    if found is None:
        return Rejection(where, "not in its archive", f"{name}, shard {shard}")
    return replace(source, path=str(found[0]), member=found[1], part=found[2])


def read_nemo(path: Path) -> Listing:
    """The utterances of a manifest, of manifests by shard, or of the archives beside one.

    Raises:
        UserError: a file cannot be read, or a line is not what it should be.
    """
    given = expand(path) if path.suffix == ".tar" else []
    manifests = [path.parent / TARRED] if given else expand(path)
    listing = Listing(files=[*manifests, *given])
    sources: list[Source] = []
    for manifest in manifests:
        archives = _Archives(manifest, given)
        # Millions of rows have few sets of fields.
        known: dict[tuple[str, ...], dict[str, str]] = {}
        for where, row in read_json(manifest):
            if (names := tuple(row)) not in known:
                known[names] = choose_fields([*names], FIELDS, where)
            found = _source(row, known[names], manifest.parent, archives, where)
            if isinstance(found, Source):
                sources.append(found)
            else:
                listing.rejections.append(found)
        listing.files += [file for file in archives.files() if file not in listing.files]
        listing.rejections += archives.unused()
    bare = named([source for source in sources if not source.id], path.parent)
    listing.sources = [source for source in sources if source.id] + bare
    return listing
