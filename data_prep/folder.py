"""One subset folder on disk: which audio it holds, whose it is, what was said, and what cannot be used.

LibriSpeech's layout (`speaker/chapter/speaker-chapter-number.flac` beside `speaker-chapter.trans.txt`)
and any plain folder of audio are read alike. Nothing outside the folder is ever opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from asr.audio.suffixes import AUDIO_SUFFIXES
from asr.errors import UserError
from asr.printable import printable
from asr.score.transcripts import read_transcripts
from data_prep.source import Listing, Rejection, Source, canonical, path_id

TRANSCRIPT_SUFFIX = ".trans.txt"
_LIBRISPEECH_ID = re.compile(r"(\d+)-\d+-\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: `path` is relative to the searched folder, with `/`; `size` in bytes."""

    path: str
    size: int
    mtime_ns: int


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
    others: dict[str, tuple[int, str]] = {}
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
                suffix = os.path.splitext(entry.name)[1]  # noqa: PTH122
                wanted = suffix.lower() in AUDIO_SUFFIXES or path.lower().endswith(TRANSCRIPT_SUFFIX)
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
                    count, example = others.get(suffix, (0, path))
                    others[suffix] = count + 1, min(example, path)
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
    for suffix, (count, example) in sorted(others.items()):
        detail = f"{count:,} files, such as {printable(example)}"
        rejections.append(Rejection(printable(f"*{suffix}"), "not taken for audio", detail))
    return sorted(found, key=lambda file: file.path), rejections


class _Transcripts:
    """Transcript lines by (folder, key). A transcript file speaks for the audio beside and below it."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, root: Path, path: str) -> Iterable[Rejection]:
        folder = path.rpartition("/")[0]
        try:
            lines = read_transcripts(root / path)
        except UserError as error:
            yield Rejection(path, "malformed transcript", printable(str(error)))
            return
        for key, text in lines.items():
            place = folder, canonical(key)
            if place in self._texts:
                detail = f"{printable(key)} is also in {self._texts[place][1]}, which is used"
                yield Rejection(path, "repeated transcript", detail)
            else:
                self._texts[place] = text, path

    def find(self, path: str, keys: Iterable[str]) -> tuple[str, str] | None:
        """Where the transcript of a recording that goes by one of some names stands."""
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            for key in map(canonical, keys):
                if (folder, key) in self._texts:
                    return folder, key
        return None

    def of(self, recordings: Iterable[Source], places: Mapping[str, tuple[str, str]]) -> Iterable[Source | Rejection]:
        """The recordings with their texts, and the transcripts that are of several of them, or of none.

        Args:
            recordings: without texts.
            places: of their transcripts, by path.
        """
        speaks_for: dict[tuple[str, str], list[str]] = {place: [] for place in self._texts}
        for path, place in places.items():
            speaks_for[place].append(path)
        for recording in recordings:
            found = places.get(recording.path)
            alone = found is not None and len(speaks_for[found]) == 1
            yield replace(recording, text=self._texts[found][0]) if found is not None and alone else recording
        for (folder, key), paths in speaks_for.items():
            file = self._texts[folder, key][1]
            if len(paths) > 1:
                detail = f"{key}: {', '.join(paths[:4])}{' …' if len(paths) > 4 else ''}; it is taken for none of them"
                yield Rejection(file, "transcript of several recordings", printable(detail))
            elif not paths:
                yield Rejection(file, "transcript without audio", printable(key))


def _librispeech_speaker(path: str) -> str | None:
    """The speaker of a file that is named as LibriSpeech names its files, else None."""
    parts = PurePosixPath(path).parts
    stem = PurePosixPath(path).stem
    if len(parts) >= 3 and stem.startswith(f"{parts[-3]}-{parts[-2]}-"):
        return parts[-3]
    match = _LIBRISPEECH_ID.fullmatch(stem)
    return match[1] if match else None


def _audio_sources(paths: list[str], transcripts: _Transcripts) -> Iterable[Source | Rejection]:
    speakers = {path: _librispeech_speaker(path) for path in paths}
    stems = Counter(PurePosixPath(path).stem for path, speaker in speakers.items() if speaker is not None)
    taken = set(stems)
    repeats: Counter[str] = Counter()
    kept: dict[str, str] = {}
    recordings: list[Source] = []
    places: dict[str, tuple[str, str]] = {}
    for path, speaker in speakers.items():
        bare = canonical(str(PurePosixPath(path).with_suffix("")))
        if bare in kept:
            yield Rejection(path, "repeated recording", f"{kept[bare]} has the same name and comes first")
            continue
        kept[bare] = path
        stem = PurePosixPath(path).stem
        name = stem
        if speaker is None or stems[stem] > 1:
            base = name = path_id(path)
            while name in taken:
                repeats[base] += 1
                name = f"{base}-{repeats[base] + 1}"
            taken.add(name)
        if speaker is None:
            speaker = PurePosixPath(path).parent.name
        recordings.append(Source(name, speaker, path, None))
        if (place := transcripts.find(path, (stem, name))) is not None:
            places[path] = place
    yield from transcripts.of(recordings, places)


def scan(folder: Path) -> Listing:
    """Find the audio and the transcripts of one subset, without opening any audio.

    A file in LibriSpeech's naming keeps its stem as id, and its speaker is the id's first part. Elsewhere
    the id is the path without suffix, `/` as `-`, and the speaker is the parent folder's name, '' at the
    top. A folder without any transcript is a valid audio-only subset.

    Raises:
        UserError: `folder` cannot be listed.
    """
    files, rejections = find_files(folder)
    listing = Listing(rejections=rejections)
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
    for item in _audio_sources(paths, transcripts):
        if isinstance(item, Source):
            listing.sources.append(item)
        else:
            rejections.append(item)
    return listing
