"""What a corpus says of an utterance, and what is left out of it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from asr.printable import printable


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file or an utterance that is not used: `reason` is one of few phrases, to be counted; `detail` says more."""

    path: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Source:
    """One utterance: all of an audio file, or a part of it.

    `path` is absolute or relative to the subset folder; `text` is as found, None without transcript.
    """

    id: str
    speaker: str
    path: str
    text: str | None
    offset: float = 0.0
    """Seconds at which it begins."""
    seconds: float | None = None
    """None: to the end of the audio."""
    claim: float | None = None
    """Length of the whole audio that the corpus declares, in seconds, where it does."""
    channel: int | None = None
    """From 1; None: as the settings say."""
    member: str = ""
    """The file's name within an archive or a table."""
    part: tuple[int, int] | None = None
    """Where it lies there: first byte and size in an archive; row group and row in a table."""
    crc: int | None = None
    """CRC-32 of its bytes there, where the corpus tells it, as a pack does."""

    @property
    def name(self) -> str:
        """The file, for messages."""
        return printable(f"{self.path}/{self.member}" if self.member else self.path)


@dataclass
class Listing:
    """What a corpus holds, without any audio opened."""

    sources: list[Source] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """Those that say so: a corpus has changed when one of them has."""


def beside(folder: Path, name: str) -> str:
    """A path that a manifest in `folder` gives: from there on, or absolute."""
    # A million Path objects take ten seconds.
    return name if name.startswith("/") else f"{folder}/{name}"


def canonical(name: str) -> str:
    """The form that ids are compared in: accents may be written as one character or as two, and look the same."""
    return unicodedata.normalize("NFC", name)


def path_id(path: str) -> str:
    """An id from a path: one word of a transcript line, so that blanks and control characters cannot stay in it."""
    name = canonical(str(PurePosixPath(path).with_suffix(""))).strip("/").replace("/", "-")
    return "".join("_" if c.isspace() or not c.isprintable() else c for c in name)


def named(sources: Iterable[Source], root: Path) -> list[Source]:
    """The sources with ids that are unique, where a corpus has none.

    An id is the file's name without suffix; below `root` also its folders, where that occurs in several; and the
    hundredth of a second it begins at, where a file has several utterances.
    """
    rows = list(sources)
    files = {(row.path, row.member) for row in rows}
    stems = Counter(path_id(PurePosixPath(member or path).name) for path, member in files)
    several = Counter((row.path, row.member, row.channel) for row in rows)
    found: list[Source] = []
    for row in rows:
        file = row.member or row.path
        name = path_id(PurePosixPath(file).name)
        if stems[name] > 1:
            name = path_id(str(PurePosixPath(file).relative_to(root)) if Path(file).is_relative_to(root) else file)
        if several[row.path, row.member, row.channel] > 1:
            name += f"-{round(100 * row.offset):07d}"
        found.append(replace(row, id=name if row.channel is None else f"{name}-{row.channel}"))
    return found
