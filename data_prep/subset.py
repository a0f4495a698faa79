"""One subset of a corpus as utterances, whatever it is written down in, and a list of what was left out."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.audio.measure import count_channels
from asr.audio.stream import Unreadable
from asr.config import CorpusConfig
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.text.normaliser import find_normaliser
from data_prep.audio_cache import Ready, prepare_audio
from data_prep.audio_in_use import AudioInUse
from data_prep.content import read_content
from data_prep.cutting import Hearing, Limits, cut_at_pauses, cut_by_text
from data_prep.folder import find_files, scan
from data_prep.formats.listing import list_manifest
from data_prep.source import Listing, Rejection, Source

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Subset:
    name: str
    utterances: list[Utterance]
    rejections: list[Rejection] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What was done to audio, with the number of files or utterances that it was done to."""
    given: dict[str, str] = field(default_factory=dict)
    """Transcripts by id as the corpus has them, before they were normalised."""

    def apart_from(self, others: Iterable[Utterance]) -> Subset:
        """The utterances whose audio the others do not use."""
        used = AudioInUse(others)
        kept = [u for u in self.utterances if used.find(u) is None]
        twice = Counter({"utterances whose audio is labeled too, and counts there": len(self.utterances) - len(kept)})
        return dataclasses.replace(self, utterances=kept, notes=self.notes + twice)

    def without(self, reject: Callable[[Utterance], Rejection | None]) -> Subset:
        """The utterances that `reject` lets pass; the others join the rejections."""
        kept: list[Utterance] = []
        rejections = list(self.rejections)
        for utterance in self.utterances:
            reason = reject(utterance)
            if reason is None:
                kept.append(utterance)
            else:
                rejections.append(reason)
        return dataclasses.replace(self, utterances=kept, rejections=rejections)


def needs_text(utterance: Utterance) -> Rejection | None:
    """For `Subset.without`: what has no text to be trained on, or scored by."""
    if utterance.text:
        return None
    return Rejection(utterance.id, "no transcript" if utterance.text is None else "empty transcript")


def _find_folder(root: Path, name: str) -> Path:
    folder = root / name
    if not folder.is_dir():
        above = folder.parent if Path(name).is_absolute() else root
        found = sorted(p.name for p in above.iterdir() if p.is_dir()) if above.is_dir() else []
        there = f"it has {', '.join(found[:12])}" if found else "it does not exist or has no folders"
        raise UserError(f"subset {name!r} is not in {above} ({there}); set corpus.root, or name other subsets")
    return folder


def list_subset(root: Path, name: str, source: str) -> tuple[Path, Listing]:
    """What a subset holds, without any audio opened, and the folder that its paths are relative to.

    Args:
        root: folder that holds the subsets.
        name: of the subset, below `root` or absolute.
        source: as `corpus.source`: manifest, or a folder of audio.

    Raises:
        UserError: it is not there, or a manifest is not as it should be.
    """
    if source == "manifest":
        return root, list_manifest(root / name)
    folder = _find_folder(root, name)
    return folder, scan(folder)


def stamp_subset(root: Path, name: str, source: str) -> Iterator[str]:
    """A line for each file of a subset that changes whenever the file does. No audio is opened.

    Raises:
        UserError: as `list_subset`.
    """
    if source != "manifest":
        for file in find_files(_find_folder(root, name))[0]:
            yield f"{name}\0{file.path}\0{file.size}\0{file.mtime_ns}\n"
        return
    listing = list_manifest(root / name)
    for path in dict.fromkeys([*map(str, listing.files), *(item.path for item in listing.sources)]):
        try:
            status = os.stat(path)  # noqa: PTH116 (once an utterance)
            yield f"{name}\0{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        except OSError:
            # What is not there is told when it is read.
            yield f"{name}\0{path}\n"


def _by_channel(folder: Path, sources: Iterable[Source], channel: str) -> Iterator[Source | Rejection]:
    """The sources as `corpus.channel` has them, where they do not say so themselves."""
    for source in sources:
        if channel == "mix" or source.channel is not None:
            yield source
        elif channel != "each":
            yield dataclasses.replace(source, channel=int(channel))
        else:
            try:
                count = count_channels(source.name, read_content(folder, source))
            except Unreadable:
                # It is told when it is decoded.
                count = 1
            if count > 1 and source.text is not None:
                detail = f"{count} channels and one transcript; set corpus.channel to mix or to a number"
                yield Rejection(source.name, "several channels", detail)
                continue
            # The same side of two calls is not the same person.
            for number in range(1, count + 1):
                name = f"{source.id}-{number}" if count > 1 else source.id
                speaker = name if count > 1 else source.speaker
                yield dataclasses.replace(source, id=name, speaker=speaker, channel=number)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


@dataclass(frozen=True)
class Cutting:
    """What becomes of recordings that are longer than an utterance may be."""

    labeled: bool = False
    """Whether their text is to go with them, which only a model makes possible."""
    hearing: Hearing | None = None


def _cut_long(
    found: list[Ready], corpus: CorpusConfig, cutting: Cutting, notes: Counter[str], rejections: list[Rejection]
) -> list[Ready]:
    """The same audio in utterances that are not too long."""
    limits, normalise = Limits(corpus.min_seconds, corpus.max_seconds), find_normaliser(corpus.normaliser)
    kept: list[Ready] = []
    recordings, utterances, before, after = 0, 0, 0.0, 0.0
    for ready in found:
        if ready.duration <= corpus.max_seconds or (cutting.labeled and not (cutting.hearing and ready.source.text)):
            kept.append(ready)
            continue
        if cutting.labeled and cutting.hearing:
            # What the normaliser takes away is not said, and could not be aligned.
            text = " ".join(normalise(ready.source.text or "").split())
            told = dataclasses.replace(ready, source=dataclasses.replace(ready.source, text=text))
            parts, refused = cut_by_text(told, limits, cutting.hearing)
            rejections += refused
        else:
            parts, in_speech = cut_at_pauses(ready, limits, cutting.hearing)
            notes["cuts within speech, for want of a pause"] += in_speech
            notes["transcripts of recordings that were cut, which are not kept"] += ready.source.text is not None
        kept += parts
        recordings, utterances = recordings + 1, utterances + len(parts)
        before, after = before + ready.duration, after + sum(part.duration for part in parts)
    if recordings:
        notes[f"recordings of {_clock(before)} cut at pauses into {utterances:,} utterances of {_clock(after)}"] = (
            recordings
        )
    return kept


def read_subset(
    root: Path,
    name: str,
    corpus: CorpusConfig,
    cache: Path,
    cutting: Cutting | None = None,
    progress: Progress | None = None,
) -> Subset:
    """Read a subset.

    Args:
        root: folder that holds the subsets.
        name: of the subset, below `root` or absolute.
        corpus: which channels are used, the length of the longest utterance, and what texts go through.
        cache: where audio that must be decoded goes.
        cutting: what becomes of longer recordings; None: they stay as they are.
        progress: told how far it is.

    Raises:
        UserError: it is not there or has no name, or the cache cannot be written.
    """
    if Path(name).name in ("", ".."):
        raise UserError(
            f"subset {name!r} has no name, after which its manifest is called; set corpus.root to the folder above it"
        )
    folder, listing = list_subset(root, name, corpus.source)
    rejections, sources = list(listing.rejections), list[Source]()
    for item in _by_channel(folder, listing.sources, corpus.channel):
        if isinstance(item, Source):
            sources.append(item)
        else:
            rejections.append(item)
    found: list[Ready] = []
    for result in prepare_audio(folder, sources, cache, progress):
        if isinstance(result, Ready):
            found.append(result)
        else:
            rejections.append(result)
    notes = Counter(note for files in {r.path: r.notes for r in found}.values() for note in files)
    if cutting is not None:
        found = _cut_long(found, corpus, cutting, notes, rejections)
    normalise = find_normaliser(corpus.normaliser)
    utterances = [
        Utterance(
            id=ready.source.id,
            audio_filepath=str(ready.path.absolute()),
            duration=ready.duration,
            offset=ready.offset,
            speaker=ready.source.speaker,
            text=None if ready.source.text is None else " ".join(normalise(ready.source.text).split()),
        )
        for ready in found
    ]
    given = {ready.source.id: ready.source.text for ready in found if ready.source.text is not None}
    return Subset(Path(name).name, utterances, rejections, +notes, given)
