"""From subset folders to the manifests that are trained on: labeled and unlabeled rows, and what was left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from asr.config import CorpusConfig
from asr.data.manifest import Utterance, write_manifest
from asr.errors import UserError
from asr.science import scientific
from asr.score.transcripts import write_transcripts
from data_prep.cutting import Hearing
from data_prep.fingerprint import fingerprint_files
from data_prep.source import Rejection
from data_prep.split import split_labeled
from data_prep.subset import Cutting, Progress, Subset, needs_text, read_subset
from data_prep.summary import SubsetSummary, format_summary, summarize, write_summary


def check_lengths(corpus: CorpusConfig) -> Callable[[Utterance], Rejection | None]:
    """For `Subset.without`: what is too short, or too long."""

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


def build_manifests(
    corpus: CorpusConfig,
    root: Path,
    cache_dir: Path,
    out_dir: Path,
    progress: Progress | None = None,
    hearing: Hearing | None = None,
) -> list[SubsetSummary]:
    """Write `labeled.jsonl` and `unlabeled.jsonl` below `out_dir`.

    Texts are as `corpus.normaliser` leaves them. Unlabeled rows never carry text; what is known of it goes to
    `references/unlabeled.trans.txt`, to measure label quality with. Everything left out is listed in `rejected.jsonl`.

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
    fits = check_lengths(corpus)

    def read(names: Sequence[str], cutting: Cutting) -> list[Subset]:
        return [read_subset(root, name, corpus, cache_dir, cutting, progress) for name in dict.fromkeys(names)]

    labeled = [subset.without(fits).without(needs_text) for subset in read(corpus.labeled, Cutting(True, hearing))]
    # A subset may be named in both parts: what is transcribed counts once.
    transcribed = [utterance for subset in labeled for utterance in subset.utterances]
    unlabeled = [
        subset.without(fits).apart_from(transcribed) for subset in read(corpus.unlabeled, Cutting(False, hearing))
    ]
    told = _join(labeled)
    summaries = [summarize(s, "labeled") for s in labeled] + [summarize(s, "unlabeled") for s in unlabeled]
    try:
        kept, hidden = split_labeled(told, corpus.labeled_speakers, corpus.labeled_hours, corpus.split_seed)
    except UserError as error:
        write_summary(out_dir, summaries)
        raise UserError(f"{error}\n{format_summary(summaries)}") from None
    if hidden:
        summaries.append(summarize(Subset("text kept", kept), "labeled"))
        summaries.append(summarize(Subset("text hidden", hidden), "unlabeled"))
    write_summary(out_dir, summaries)
    if not kept and corpus.labeled:
        raise UserError(
            f"no labeled utterance is left of {', '.join(corpus.labeled)} in {root}; "
            f"{out_dir / 'rejected.jsonl'} says why\n{format_summary(summaries)}"
        )
    audio_only = _join([Subset("hidden", hidden), *unlabeled])
    write_manifest(out_dir / "labeled.jsonl", kept)
    write_manifest(out_dir / "unlabeled.jsonl", (dataclasses.replace(u, text=None) for u in audio_only))
    references = {u.id: u.text for u in audio_only if u.text}
    write_transcripts(out_dir / "references" / "unlabeled.trans.txt", references)
    return summaries


def fingerprint(corpus: CorpusConfig, root: Path) -> str:
    """A digest of the scientific settings and of every file's path, size and time: equal while nothing changed.

    Subsets that are scored have no part in it.

    Raises:
        UserError: a subset is missing.
    """
    settings = scientific(dataclasses.asdict(corpus), "corpus")
    # Where audio came from does not matter, once it is there.
    del settings["source"]
    return fingerprint_files(settings, (*corpus.labeled, *corpus.unlabeled), root, corpus.source)
