"""From subset folders to manifests: labeled, unlabeled and dev rows, and a list of what was left out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.config import CorpusConfig
from asr.data.manifest import Utterance, write_manifest
from asr.errors import UserError
from asr.score.transcripts import write_transcripts
from asr.text.normaliser import VERSION as TEXT_VERSION
from asr.text.normaliser import find_normaliser
from data_prep.audio_cache import VERSION, Ready, prepare_audio
from data_prep.folder import Rejection, find_files, scan
from data_prep.split import split_labeled

SHOWN = 3
"""Rejected files that are named on screen, of each reason."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class SubsetSummary:
    name: str
    role: str
    utterances: int
    hours: float
    speakers: int
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True)
class _Subset:
    name: str
    utterances: list[Utterance]
    rejections: list[Rejection]

    def summarize(self, role: str) -> SubsetSummary:
        hours = sum(u.duration for u in self.utterances) / 3600
        speakers = len({u.speaker for u in self.utterances})
        return SubsetSummary(self.name, role, len(self.utterances), hours, speakers, tuple(self.rejections))

    def written(self, normalise: Callable[[str], str]) -> _Subset:
        """The utterances with texts as training and scoring read them."""
        texts = (None if u.text is None else " ".join(normalise(u.text).split()) for u in self.utterances)
        written = [dataclasses.replace(u, text=text) for u, text in zip(self.utterances, texts, strict=True)]
        return _Subset(self.name, written, self.rejections)

    def apart_from(self, others: Iterable[Utterance]) -> _Subset:
        """The utterances whose audio the others do not use."""
        used = {u.audio_filepath for u in others}
        return _Subset(self.name, [u for u in self.utterances if u.audio_filepath not in used], self.rejections)

    def without(self, reject: Callable[[Utterance], Rejection | None]) -> _Subset:
        """The utterances that `reject` lets pass; the others join the rejections."""
        kept: list[Utterance] = []
        rejections = list(self.rejections)
        for utterance in self.utterances:
            reason = reject(utterance)
            if reason is None:
                kept.append(utterance)
            else:
                rejections.append(reason)
        return _Subset(self.name, kept, rejections)


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    if not folder.is_dir():
        above = folder.parent if Path(name).is_absolute() else root
        found = sorted(p.name for p in above.iterdir() if p.is_dir()) if above.is_dir() else []
        there = f"it has {', '.join(found[:12])}" if found else "it does not exist or has no folders"
        raise UserError(f"subset {name!r} is not in {above} ({there}); set corpus.root, or name other subsets")
    return folder


def _read_subset(root: Path, name: str, cache: Path, progress: Progress | None) -> _Subset:
    folder = _folder(root, name)
    found = scan(folder)
    rejections = list(found.rejections)
    utterances: list[Utterance] = []
    for result in prepare_audio(folder, found.sources, cache, progress):
        if isinstance(result, Ready):
            source = result.source
            path = str(result.path.absolute())
            utterances.append(Utterance(source.id, path, result.duration, 0.0, source.speaker, source.text))
        else:
            rejections.append(result)
    return _Subset(folder.name, utterances, rejections)


def _needs_text(utterance: Utterance) -> Rejection | None:
    if utterance.text:
        return None
    return Rejection(utterance.id, "no transcript" if utterance.text is None else "empty transcript")


def _length_check(corpus: CorpusConfig) -> Callable[[Utterance], Rejection | None]:
    def check(utterance: Utterance) -> Rejection | None:
        if utterance.duration < corpus.min_seconds:
            return Rejection(utterance.id, f"shorter than corpus.min_seconds = {corpus.min_seconds:g}")
        if utterance.duration > corpus.max_seconds:
            return Rejection(utterance.id, f"longer than corpus.max_seconds = {corpus.max_seconds:g}")
        return None

    return check


def _join(subsets: Iterable[_Subset]) -> list[Utterance]:
    """All utterances under ids that are unique among them: one that was taken gets its subset's name in front."""
    taken: set[str] = set()
    joined: list[Utterance] = []
    for subset in subsets:
        for utterance in subset.utterances:
            name = utterance.id
            while name in taken:
                name = f"{subset.name}-{name}"
            taken.add(name)
            joined.append(dataclasses.replace(utterance, id=name))
    return joined


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _write_summary(out_dir: Path, summaries: Sequence[SubsetSummary]) -> None:
    rows = [{**dataclasses.asdict(s), "rejections": len(s.rejections)} for s in summaries]
    _write_text(out_dir / "summary.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    lines = [
        json.dumps({"subset": s.name, "role": s.role, **dataclasses.asdict(r)}, ensure_ascii=False) + "\n"
        for s in summaries
        for r in s.rejections
    ]
    _write_text(out_dir / "rejected.jsonl", "".join(lines))


def build_manifests(
    corpus: CorpusConfig, root: Path, cache_dir: Path, out_dir: Path, progress: Progress | None = None
) -> list[SubsetSummary]:
    """Write `labeled.jsonl`, `unlabeled.jsonl` and `dev/<subset>.jsonl` below `out_dir`.

    Texts are as `corpus.normaliser` leaves them. Those of dev subsets are kept as they were given too, in
    `given/<subset>.trans.txt`, to be scored with another normaliser. Unlabeled rows never carry text; what is known of
    it goes to `references/unlabeled.trans.txt`, to measure label quality with. Everything left out is listed in
    `rejected.jsonl`.

    Args:
        corpus: which subsets play which part, and the low-resource split.
        root: folder that holds the subsets.
        cache_dir: where audio that must be decoded first goes.
        out_dir: folder to write to.
        progress: told how far it is.

    Raises:
        UserError: a subset is missing, or nothing labeled is left.
    """
    fits = _length_check(corpus)
    normalise = find_normaliser(corpus.normaliser)

    def training(names: Sequence[str]) -> list[_Subset]:
        read = [_read_subset(root, name, cache_dir, progress).without(fits) for name in dict.fromkeys(names)]
        return [subset.written(normalise) for subset in read]

    labeled = [subset.without(_needs_text) for subset in training(corpus.labeled)]
    # A subset may be named in both parts: what is transcribed counts once.
    transcribed = [utterance for subset in labeled for utterance in subset.utterances]
    unlabeled = [subset.apart_from(transcribed) for subset in training(corpus.unlabeled)]
    given = [_read_subset(root, name, cache_dir, progress) for name in corpus.dev]
    dev = [subset.written(normalise).without(_needs_text) for subset in given]
    told = _join(labeled)
    kept, hidden = split_labeled(told, corpus.labeled_speakers, corpus.labeled_hours, corpus.split_seed)
    summaries = [s.summarize("labeled") for s in labeled] + [s.summarize("unlabeled") for s in unlabeled]
    summaries += [s.summarize("dev") for s in dev]
    if hidden:
        summaries.append(_Subset("text kept", kept, []).summarize("labeled"))
        summaries.append(_Subset("text hidden", hidden, []).summarize("unlabeled"))
    _write_summary(out_dir, summaries)
    if not kept:
        raise UserError(
            f"no labeled utterance is left of {', '.join(corpus.labeled)} in {root}; "
            f"{out_dir / 'rejected.jsonl'} says why\n{format_summary(summaries)}"
        )
    for subset in dev:
        if not subset.utterances:
            raise UserError(f"dev subset {subset.name!r} has no usable utterance; see {out_dir / 'rejected.jsonl'}")
    audio_only = _join([_Subset("hidden", hidden, []), *unlabeled])
    write_manifest(out_dir / "labeled.jsonl", kept)
    write_manifest(out_dir / "unlabeled.jsonl", (dataclasses.replace(u, text=None) for u in audio_only))
    references = {u.id: u.text for u in audio_only if u.text}
    write_transcripts(out_dir / "references" / "unlabeled.trans.txt", references)
    for subset, before in zip(dev, given, strict=True):
        write_manifest(out_dir / "dev" / f"{subset.name}.jsonl", subset.utterances)
        ids = {u.id for u in subset.utterances}
        kept_text = {u.id: u.text for u in before.utterances if u.text is not None and u.id in ids}
        write_transcripts(out_dir / "given" / f"{subset.name}.trans.txt", kept_text)
    return summaries


def format_summary(summaries: Sequence[SubsetSummary]) -> str:
    """A table of the subsets, and what was left out by reason with a few examples each."""
    lines = [f"{'subset':<20} {'part':<10} {'utterances':>10} {'hours':>8} {'speakers':>8} {'left out':>8}"]
    for s in summaries:
        counts = f"{s.utterances:>10,} {s.hours:>8.2f} {s.speakers:>8,} {len(s.rejections):>8,}"
        lines.append(f"{s.name:<20} {s.role:<10} {counts}")
    by_reason: dict[str, list[Rejection]] = defaultdict(list)
    for summary in summaries:
        for rejection in summary.rejections:
            by_reason[rejection.reason].append(rejection)
    for reason, rejections in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines.append(f"left out, {reason}: {len(rejections):,}")
        for r in rejections[:SHOWN]:
            lines.append(f"  {r.path}" + (f" ({r.detail})" if r.detail else ""))
        if len(rejections) > SHOWN:
            lines.append("  … all are listed in rejected.jsonl")
    return "\n".join(lines)


def fingerprint(corpus: CorpusConfig, root: Path) -> str:
    """A digest of the settings and of every file's path, size and time: equal while nothing changed.

    It opens no file. A newer way of decoding or of cleaning text also makes it differ.

    Raises:
        UserError: a subset is missing.
    """
    settings = dataclasses.asdict(corpus)
    del settings["base_url"], settings["source"]
    digest = hashlib.sha256(
        json.dumps([VERSION, TEXT_VERSION, settings, str(root.absolute())], sort_keys=True).encode()
    )
    for name in dict.fromkeys((*corpus.labeled, *corpus.unlabeled, *corpus.dev)):
        files, _ = find_files(_folder(root, name))
        for file in files:
            digest.update(f"{name}\0{file.path}\0{file.size}\0{file.mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
