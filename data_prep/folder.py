"""One subset folder on disk: which audio it holds, whose it is, what was said, and what cannot be used.

LibriSpeech's layout (`speaker/chapter/speaker-chapter-number.flac` beside `speaker-chapter.trans.txt`)
and any plain folder of audio are read alike. Nothing outside the folder is ever opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asr.errors import UserError
from asr.score.transcripts import read_transcripts

AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".opus", ".mp3")
TRANSCRIPT_SUFFIX = ".trans.txt"
_LIBRISPEECH_ID = re.compile(r"(\d+)-\d+-\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that is not used. `reason` is one of few phrases, to be counted; `detail` says what was found."""

    path: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: `path` is relative to the searched folder, with `/`; `size` in bytes."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Source:
    """One audio file: `path` is relative to the subset folder; `text` is as found, None without transcript."""

    id: str
    speaker: str
    path: str
    text: str | None


@dataclass(frozen=True)
class ScannedSubset:
    folder: Path
    sources: tuple[Source, ...]
    """In the order of their paths, ids unique."""
    rejections: tuple[Rejection, ...]


def printable(path: str) -> str:
    """`path` for messages and JSON: bytes that are no UTF-8, and control characters, as escapes."""
    readable = path.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in readable)


def find_files(folder: Path) -> tuple[list[FoundFile], list[Rejection]]:
    """Audio and transcript files in and below `folder`, sorted by path. Hidden names are passed over.

    Links to folders are not followed and links to files only inside `folder`, so that a loop cannot hang
    the search nor a link lead out of the corpus. Both are named as rejections.

    Raises:
        UserError: `folder` itself cannot be listed.
    """
    found: list[FoundFile] = []
    rejections: list[Rejection] = []
    home = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 (280,000 Path objects take seconds)
    pending = [""]
    while pending:
        below = pending.pop()
        try:
            with os.scandir(os.fspath(folder) + "/" + below) as listing:
                entries = list(listing)
        except OSError as error:
            if not below:
                raise UserError(f"{folder}: cannot list this folder ({error.strerror})") from None
            rejections.append(Rejection(printable(below), "unreadable folder", error.strerror or ""))
            continue
        for entry in entries:
            path = below + entry.name
            if entry.name.startswith("."):
                continue
            try:
                wanted = path.lower().endswith((*AUDIO_SUFFIXES, TRANSCRIPT_SUFFIX))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path + "/")
                    continue
                if entry.is_symlink():
                    if entry.is_dir():
                        rejections.append(Rejection(printable(path), "link to a folder", "not followed"))
                        continue
                    if wanted and not os.path.realpath(entry.path).startswith(home):
                        rejections.append(Rejection(printable(path), "link out of the subset folder"))
                        continue
                if not wanted:
                    continue
                status = entry.stat()
            except OSError as error:
                rejections.append(Rejection(printable(path), "unreadable", error.strerror or ""))
                continue
            # Opening a named pipe would wait for ever.
            if not stat.S_ISREG(status.st_mode):
                rejections.append(Rejection(printable(path), "unreadable", "not a regular file"))
            else:
                found.append(FoundFile(path, status.st_size, status.st_mtime_ns))
    return sorted(found, key=lambda file: file.path), rejections


class _Transcripts:
    """Transcript lines by (folder, key). A transcript file speaks for the audio beside and below it."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], tuple[str, str]] = {}
        self._used: set[tuple[str, str]] = set()

    def add(self, root: Path, path: str) -> Iterable[Rejection]:
        folder = path.rpartition("/")[0]
        try:
            lines = read_transcripts(root / path)
        except UserError as error:
            yield Rejection(path, "malformed transcript", printable(str(error)))
            return
        for key, text in lines.items():
            _, earlier = self._texts.setdefault((folder, key), (text, path))
            if earlier != path:
                detail = f"{printable(key)} is also in {earlier}, which is used"
                yield Rejection(path, "repeated transcript", detail)

    def find(self, path: str, keys: Iterable[str]) -> str | None:
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            for key in keys:
                if (folder, key) in self._texts:
                    self._used.add((folder, key))
                    return self._texts[folder, key][0]
        return None

    def unused(self) -> Iterable[Rejection]:
        for place, (_, path) in self._texts.items():
            if place not in self._used:
                yield Rejection(path, "transcript without audio", printable(place[1]))


def _librispeech_speaker(path: str) -> str | None:
    """The speaker of a file that is named as LibriSpeech names its files, else None."""
    parts = PurePosixPath(path).parts
    stem = PurePosixPath(path).stem
    if len(parts) >= 3 and stem.startswith(f"{parts[-3]}-{parts[-2]}-"):
        return parts[-3]
    match = _LIBRISPEECH_ID.fullmatch(stem)
    return match[1] if match else None


def _path_id(path: str) -> str:
    # An id is one word of a transcript line, so blanks and control characters cannot stay in it.
    name = str(PurePosixPath(path).with_suffix("")).replace("/", "-")
    return "".join("_" if c.isspace() or not c.isprintable() else c for c in name)


def _audio_sources(paths: list[str], transcripts: _Transcripts) -> Iterable[Source | Rejection]:
    speakers = {path: _librispeech_speaker(path) for path in paths}
    stems = Counter(PurePosixPath(path).stem for path, speaker in speakers.items() if speaker is not None)
    taken = set(stems)
    repeats: Counter[str] = Counter()
    kept: dict[str, str] = {}
    for path, speaker in speakers.items():
        bare = str(PurePosixPath(path).with_suffix(""))
        if bare in kept:
            yield Rejection(path, "repeated recording", f"{kept[bare]} has the same name and is used")
            continue
        kept[bare] = path
        stem = PurePosixPath(path).stem
        name = stem
        if speaker is None or stems[stem] > 1:
            base = name = _path_id(path)
            while name in taken:
                repeats[base] += 1
                name = f"{base}-{repeats[base] + 1}"
            taken.add(name)
        if speaker is None:
            speaker = PurePosixPath(path).parent.name
        yield Source(name, speaker, path, transcripts.find(path, (stem, name)))


def scan(folder: Path) -> ScannedSubset:
    """Find the audio and the transcripts of one subset, without opening any audio.

    A file in LibriSpeech's naming keeps its stem as id, and its speaker is the id's first part. Elsewhere
    the id is the path without suffix, `/` as `-`, and the speaker is the parent folder's name, '' at the
    top. A folder without any transcript is a valid audio-only subset.

    Raises:
        UserError: `folder` cannot be listed.
    """
    files, rejections = find_files(folder)
    paths: list[str] = []
    transcripts = _Transcripts()
    for file in files:
        try:
            file.path.encode()
        except UnicodeEncodeError:
            rejections.append(Rejection(printable(file.path), "name is not UTF-8", "rename the file"))
            continue
        if file.path.lower().endswith(TRANSCRIPT_SUFFIX):
            rejections.extend(transcripts.add(folder, file.path))
        else:
            paths.append(file.path)
    sources: list[Source] = []
    for item in _audio_sources(paths, transcripts):
        if isinstance(item, Source):
            sources.append(item)
        else:
            rejections.append(item)
    rejections.extend(transcripts.unused())
    return ScannedSubset(folder, tuple(sources), tuple(rejections))
