"""A corpus's audio in shards: plain tars of the files as they are, and a manifest whose rows point into them.

Each shard is written aside and renamed, after a note of what is in it. A pack that was interrupted goes on after the
shards whose notes and sums are right; what it was begun of must not have changed meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tarfile import BLOCKSIZE, PAX_FORMAT, RECORDSIZE, TarInfo
from typing import Any

from asr.data.manifest import Utterance, write_manifest
from asr.data.packed import PACK, Place
from asr.errors import UserError
from asr.lock import hold
from asr.whole_file import make_folder, write_whole
from data_prep.formats.writing import Row, measure_rows, refuse_unsayable
from data_prep.source import Listing, Rejection, Source
from data_prep.summary import SubsetSummary, read_summary, write_summary

SUMS = "SHA256SUMS"
"""Of the shards, as `sha256sum -c` reads them; its first line says what they were made of. Written last."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class Shard:
    """What is to go into one tar: utterances, all of each file's together."""

    name: str
    sources: tuple[Source, ...]
    stamps: dict[str, tuple[int, int]]
    """Size and time of each file."""

    @cached_property
    def digest(self) -> str:
        """Equal while the utterances and their files are."""
        content = [repr(self.sources), list(self.stamps.items())]
        return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def note(self) -> str:
        """Name of the file that says what is in the tar, as long as the pack is not whole."""
        return f".{self.name}.json"


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 (once a file)
        return found.st_size, found.st_mtime_ns
    except OSError:
        # What is not there is told when it is measured.
        return 0, 0


def plan_shards(sources: Sequence[Source], most: int) -> list[Shard]:
    """Shards of `most` bytes of audio, or as much more as their last file has. No audio is opened."""
    by_file: dict[str, list[Source]] = {}
    for source in sources:
        by_file.setdefault(source.path, []).append(source)
    shards: list[Shard] = []
    chosen: list[Source] = []
    stamps: dict[str, tuple[int, int]] = {}
    size = 0
    for number, (path, own) in enumerate(by_file.items(), 1):
        chosen += own
        stamps[path] = _stamp(path)
        size += stamps[path][0]
        if number == len(by_file) or size >= most:
            shards.append(Shard(f"audio-{len(shards):05d}.tar", tuple(chosen), stamps))
            chosen, stamps, size = [], {}, 0
    return shards


@dataclass(frozen=True)
class Packed:
    """What is in a shard."""

    digest: str
    sha256: str
    rows: tuple[Utterance, ...]
    rejections: tuple[Rejection, ...]

    def to_json(self) -> str:
        rows = [json.loads(row.to_json()) for row in self.rows]
        left_out = [[r.path, r.reason, r.detail] for r in self.rejections]
        return json.dumps({"digest": self.digest, "sha256": self.sha256, "rows": rows, "rejections": left_out})

    @classmethod
    def from_json(cls, text: str) -> Packed:
        """Raises ValueError, KeyError or TypeError where it is no such text."""
        content: dict[str, Any] = json.loads(text)
        rows = tuple(Utterance(**row) for row in content["rows"])
        return cls(content["digest"], content["sha256"], rows, tuple(Rejection(*r) for r in content["rejections"]))


class _Tar:
    """A plain tar that is being written, and its sum."""

    def __init__(self, path: Path) -> None:
        self._file, self._sum, self._end = path.open("wb"), hashlib.sha256(), 0

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._sum.update(content)
        self._end += len(content)

    def add(self, path: str, name: str, stamp: tuple[int, int]) -> tuple[int, int]:
        """A file, unchanged: its first byte here, and the CRC-32 of what was written.

        Raises:
            UserError: it is not what it was when the pack was begun.
        """
        size, mtime_ns = stamp
        member = TarInfo(name)
        member.size, member.mtime = size, mtime_ns // 1_000_000_000
        self.write(member.tobuf(PAX_FORMAT, "utf-8", "surrogateescape"))
        first, crc = self._end, 0
        with Path(path).open("rb") as file:
            while part := file.read(CHUNK):
                self.write(part)
                crc = zlib.crc32(part, crc)
        if self._end - first != size or _stamp(path) != stamp:
            raise UserError(f"{path}: changed while it was packed; run again when nothing writes to the corpus")
        self.write(bytes(-size % BLOCKSIZE))
        return first, crc

    def close(self) -> str:
        """End it; returns its SHA-256."""
        self.write(bytes(2 * BLOCKSIZE))
        self.write(bytes(-self._end % RECORDSIZE))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.abandon()
        return self._sum.hexdigest()

    def abandon(self) -> None:
        self._file.close()


def _utterance(row: Row, place: Place) -> Utterance:
    source = row.source
    return Utterance(source.id, str(place), row.seconds, source.offset, source.speaker, source.text)


def _write_shard(shard: Shard, out: Path) -> Packed:
    rows, unmeasured = measure_rows(shard.sources)
    rows, unsayable = refuse_unsayable(rows, "nemo")
    aside = out / f".{shard.name}.partial"
    tar = _Tar(aside)
    try:
        places: dict[str, Place] = {}
        for path, recording in {row.source.path: row.recording for row in rows}.items():
            stamp = shard.stamps[path]
            first, crc = tar.add(path, recording + PurePosixPath(path).suffix, stamp)
            places[path] = Place(shard.name, first, stamp[0], crc)
        utterances = tuple(_utterance(row, places[row.source.path]) for row in rows)
        packed = Packed(shard.digest, tar.close(), utterances, (*unmeasured, *unsayable))
        # In front of the tar, so that one without a note is not ours.
        (out / shard.note).write_text(packed.to_json(), encoding="utf-8")
        aside.replace(out / shard.name)
    finally:
        tar.abandon()
        with suppress(OSError):
            aside.unlink()
    return packed


def _written(shard: Shard, out: Path) -> Packed | None:
    """What an earlier start has left; None where the shard is not there, or not as it was written.

    Raises:
        UserError: it is of another pack.
    """
    try:
        packed = Packed.from_json((out / shard.note).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (out / shard.name).exists():
            raise UserError(f"{out / shard.name}: is in the way; name another folder, or move it") from None
        return None
    except (ValueError, KeyError, TypeError):
        return None
    if packed.digest != shard.digest:
        raise UserError(
            f"{out}: holds the beginning of another pack, or the corpus has changed; name another folder, or delete it"
        )
    try:
        with (out / shard.name).open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == packed.sha256
    except FileNotFoundError:
        return None
    return packed if same else None


def _made_of(shards: Sequence[Shard], listing: Listing) -> str:
    content = [*(shard.digest for shard in shards), *map(str, listing.rejections)]
    return f"# kappa-asr pack of {hashlib.sha256(chr(10).join(content).encode('utf-8', 'replace')).hexdigest()}"


def _summarize(rows: Sequence[Utterance], rejections: Sequence[Rejection], out: Path) -> SubsetSummary:
    hours = sum(row.duration for row in rows) / 3600
    return SubsetSummary(out.name, "pack", len(rows), hours, len({row.speaker for row in rows}), tuple(rejections))


def pack(listing: Listing, out: Path, most: int, tell: Callable[[str], None]) -> SubsetSummary | None:
    """Write shards, their manifest and their sums into a folder; None where it holds this very pack already, whole.

    Where utterances were left out of the pack that it holds, what was said then is returned again.

    Args:
        listing: the corpus; paths are absolute.
        out: the folder; `asr.data.packed.PACK` and `SUMS` are there once the pack is whole.
        most: bytes of audio in a shard, about.
        tell: gets a line for each shard.

    Raises:
        UserError: the folder holds something else, or no longer what was left out; a file of the corpus changes
            meanwhile; or nothing can be packed.
    """
    shards = plan_shards(listing.sources, most)
    made_of = _made_of(shards, listing)
    make_folder(out)
    try:
        with hold(out / ".lock", wait=False):
            if (out / SUMS).exists():
                if (out / SUMS).read_text(encoding="utf-8").startswith(made_of):
                    return next((before for before in read_summary(out) if before.rejections), None)
                raise UserError(f"{out}: holds another pack, or the corpus has changed since; name another folder")
            return _pack(shards, listing, out, made_of, tell)
    except BlockingIOError:
        raise UserError(f"{out}: another process is packing into this folder") from None


def _pack(
    shards: Sequence[Shard], listing: Listing, out: Path, made_of: str, tell: Callable[[str], None]
) -> SubsetSummary:
    packed: list[Packed] = []
    for number, shard in enumerate(shards, 1):
        before = _written(shard, out)
        packed.append(before or _write_shard(shard, out))
        state = "there already" if before else f"{(out / shard.name).stat().st_size / 1e6:,.0f} MB"
        tell(f"{shard.name}: {len(packed[-1].rows):,} utterances, {state}; {number} of {len(shards)}")

    def rows() -> Iterator[Utterance]:
        for one in packed:
            yield from one.rows

    rejections = [*listing.rejections, *(r for one in packed for r in one.rejections)]
    summary = _summarize(list(rows()), rejections, out)
    write_summary(out, [summary])
    if not summary.utterances:
        raise UserError(f"{out}: nothing could be packed; rejected.jsonl there says why")
    write_manifest(out / PACK, rows())
    sums = [f"{one.sha256}  {shard.name}" for shard, one in zip(shards, packed, strict=True)]
    write_whole(out / SUMS, "\n".join([made_of, *sums]) + "\n")
    for shard in shards:
        (out / shard.note).unlink()
    return summary
