"""From subset folders to manifests: labeled, unlabeled and dev rows, and a list of what was left out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.config import CorpusConfig
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.errors import UserError
from asr.score.transcripts import write_transcripts
from asr.text.normaliser import VERSION as TEXT_VERSION
from data_prep.audio_cache import VERSION
from data_prep.audio_in_use import AudioInUse
from data_prep.cutting import Hearing
from data_prep.source import Rejection
from data_prep.split import split_labeled
from data_prep.subset import Cutting, Progress, Subset, read_subset, stamp_subset

SHOWN = 3
"""Rejected files that are named on screen, of each reason."""


@dataclass(frozen=True)
class SubsetSummary:
    name: str
    role: str
    utterances: int
    hours: float
    speakers: int
    rejections: tuple[Rejection, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)
    """What was done to audio, and to how many files or utterances."""


def _summarize(subset: Subset, role: str) -> SubsetSummary:
    hours = sum(u.duration for u in subset.utterances) / 3600
    speakers = len({u.speaker for u in subset.utterances})
    notes = dict(subset.notes)
    return SubsetSummary(subset.name, role, len(subset.utterances), hours, speakers, tuple(subset.rejections), notes)


def _needs_text(utterance: Utterance) -> Rejection | None:
    if utterance.text:
        return None
    return Rejection(utterance.id, "no transcript" if utterance.text is None else "empty transcript")


def _length_check(corpus: CorpusConfig) -> Callable[[Utterance], Rejection | None]:
    def check(utterance: Utterance) -> Rejection | None:
        if utterance.duration < corpus.min_seconds:
            return Rejection(utterance.id, f"shorter than corpus.min_seconds = {corpus.min_seconds:g}")
        if utterance.duration > corpus.max_seconds:
            reason = f"longer than corpus.max_seconds = {corpus.max_seconds:g}"
            remedy = (
                "say when each of its utterances is said, as a manifest's offset and duration do, "
                "or let a trained model find out, by corpus.cut_model"
            )
            return Rejection(utterance.id, reason, f"{utterance.duration:.1f} s; {remedy}")
        return None

    return check


def _join(subsets: Iterable[Subset]) -> list[Utterance]:
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


def _check_usable(subsets: Sequence[Subset], role: str, out_dir: Path) -> None:
    """Raises UserError where there is nothing to score."""
    for subset in subsets:
        if not subset.utterances:
            rejected = out_dir / "rejected.jsonl"
            raise UserError(f"{role} subset {subset.name!r} has no usable utterance; see {rejected}")


def build_manifests(
    corpus: CorpusConfig,
    root: Path,
    cache_dir: Path,
    out_dir: Path,
    progress: Progress | None = None,
    hearing: Hearing | None = None,
) -> list[SubsetSummary]:
    """Write `labeled.jsonl`, `unlabeled.jsonl` and `dev/<subset>.jsonl` below `out_dir`.

    Texts are as `corpus.normaliser` leaves them; those of dev subsets are kept as they were given too, below `given`.
    Unlabeled rows never carry text; what is known of it goes to `references/unlabeled.trans.txt`, to measure
    label quality with. Everything left out is listed in `rejected.jsonl`.

    Args:
        corpus: which subsets play which part, and the low-resource split.
        root: folder that holds the subsets.
        cache_dir: where audio that must be decoded first goes.
        out_dir: folder to write to.
        progress: told how far it is.
        hearing: a trained model's, by which long recordings are cut; labeled ones are left out without it.

    Raises:
        UserError: a subset is missing, or nothing labeled is left.
    """
    fits = _length_check(corpus)

    def read(names: Sequence[str], cutting: Cutting | None = None) -> list[Subset]:
        return [read_subset(root, name, corpus, cache_dir, cutting, progress) for name in dict.fromkeys(names)]

    labeled = [subset.without(fits).without(_needs_text) for subset in read(corpus.labeled, Cutting(True, hearing))]
    # A subset may be named in both parts: what is transcribed counts once.
    transcribed = [utterance for subset in labeled for utterance in subset.utterances]
    unlabeled = [
        subset.without(fits).apart_from(transcribed) for subset in read(corpus.unlabeled, Cutting(False, hearing))
    ]
    dev = [subset.without(_needs_text) for subset in read(corpus.dev)]
    told = _join(labeled)
    kept, hidden = split_labeled(told, corpus.labeled_speakers, corpus.labeled_hours, corpus.split_seed)
    summaries = [_summarize(s, "labeled") for s in labeled] + [_summarize(s, "unlabeled") for s in unlabeled]
    summaries += [_summarize(s, "dev") for s in dev]
    if hidden:
        summaries.append(_summarize(Subset("text kept", kept), "labeled"))
        summaries.append(_summarize(Subset("text hidden", hidden), "unlabeled"))
    _write_summary(out_dir, summaries)
    if not kept and corpus.labeled:
        raise UserError(
            f"no labeled utterance is left of {', '.join(corpus.labeled)} in {root}; "
            f"{out_dir / 'rejected.jsonl'} says why\n{format_summary(summaries)}"
        )
    _check_usable(dev, "dev", out_dir)
    audio_only = _join([Subset("hidden", hidden), *unlabeled])
    write_manifest(out_dir / "labeled.jsonl", kept)
    write_manifest(out_dir / "unlabeled.jsonl", (dataclasses.replace(u, text=None) for u in audio_only))
    references = {u.id: u.text for u in audio_only if u.text}
    write_transcripts(out_dir / "references" / "unlabeled.trans.txt", references)
    for subset in dev:
        write_manifest(out_dir / "dev" / f"{subset.name}.jsonl", subset.utterances)
        _write_given(subset, out_dir)
    return summaries


def _write_given(subset: Subset, out_dir: Path) -> None:
    """Keep the texts of what is scored as they were given, to be scored with another normaliser."""
    given = {u.id: " ".join(subset.given[u.id].split()) for u in subset.utterances}
    write_transcripts(out_dir / "given" / f"{subset.name}.trans.txt", given)


def build_test_manifests(
    corpus: CorpusConfig,
    root: Path,
    cache_dir: Path,
    trained: Path,
    out_dir: Path,
    progress: Progress | None = None,
) -> list[SubsetSummary]:
    """Write `<subset>.jsonl` of every test subset below `out_dir`.

    Args:
        corpus: names the subsets.
        root: folder that holds them.
        cache_dir: where audio that must be decoded first goes.
        trained: what `build_manifests` wrote.
        out_dir: folder to write to.
        progress: told how far it is.

    Raises:
        UserError: a subset is missing or has nothing to score, or its audio is trained on.
    """
    tests = [read_subset(root, name, corpus, cache_dir, progress=progress).without(_needs_text) for name in corpus.test]
    summaries = [_summarize(s, "test") for s in tests]
    _write_summary(out_dir, summaries)
    _check_usable(tests, "test", out_dir)
    used = AudioInUse(u for subset in tests for u in subset.utterances)
    for kind in ("labeled", "unlabeled"):
        for u in read_manifest(trained / f"{kind}.jsonl"):
            if (tested := used.find(u)) is not None:
                raise UserError(
                    f"corpus.test: the audio of {tested!r} is trained on, as {kind} {u.id!r} ({u.audio_filepath}); "
                    "take it out of one of them"
                )
    for subset in tests:
        write_manifest(out_dir / f"{subset.name}.jsonl", subset.utterances)
        _write_given(subset, out_dir)
    return summaries


def format_summary(summaries: Sequence[SubsetSummary]) -> str:
    """A table of the subsets, and what was left out by reason with a few examples each."""
    lines = [f"{'subset':<20} {'part':<10} {'utterances':>10} {'hours':>8} {'speakers':>8} {'left out':>8}"]
    for s in summaries:
        counts = f"{s.utterances:>10,} {s.hours:>8.2f} {s.speakers:>8,} {len(s.rejections):>8,}"
        lines.append(f"{s.name:<20} {s.role:<10} {counts}")
    notes = sum((Counter(summary.notes) for summary in summaries), Counter[str]())
    lines += [f"note, {note}: {count:,}" for note, count in notes.most_common()]
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


def _fingerprint(settings: Mapping[str, object], names: Iterable[str], root: Path, source: str) -> str:
    content = [VERSION, TEXT_VERSION, settings, str(root.absolute()), source == "manifest"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in dict.fromkeys(names):
        for stamp in stamp_subset(root, name, source):
            digest.update(stamp.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def fingerprint(corpus: CorpusConfig, root: Path) -> str:
    """A digest of the settings and of every file's path, size and time: equal while nothing changed.

    It opens no audio. A newer way of decoding or of cleaning text also makes it differ; test subsets do not.

    Raises:
        UserError: a subset is missing.
    """
    settings = dataclasses.asdict(corpus)
    for known in ("base_url", "source", "test"):
        del settings[known]
    return _fingerprint(settings, (*corpus.labeled, *corpus.unlabeled, *corpus.dev), root, corpus.source)


def fingerprint_tests(corpus: CorpusConfig, root: Path) -> str:
    """The same of the test subsets."""
    settings = {"test": corpus.test, "channel": corpus.channel, "normaliser": corpus.normaliser}
    return _fingerprint(settings, corpus.test, root, corpus.source)
