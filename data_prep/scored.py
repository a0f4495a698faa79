"""Manifests of what is scored: dev subsets while training goes on, test subsets at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from asr.config import CorpusConfig
from asr.data.manifest import read_manifest, write_manifest
from asr.errors import UserError
from asr.score.transcripts import write_transcripts
from data_prep.audio_in_use import AudioInUse
from data_prep.fingerprint import fingerprint_files
from data_prep.subset import Progress, Subset, needs_text, read_subset
from data_prep.summary import SubsetSummary, summarize, write_summary

Role = Literal["dev", "test"]


def _subsets(corpus: CorpusConfig, role: Role) -> Sequence[str]:
    return corpus.dev if role == "dev" else corpus.test


def _write_given(subset: Subset, out_dir: Path) -> None:
    """Keep the texts of what is scored as they were given, to be scored with another normaliser."""
    given = {u.id: " ".join(subset.given[u.id].split()) for u in subset.utterances}
    write_transcripts(out_dir / "given" / f"{subset.name}.trans.txt", given)


def build_scored_manifests(
    corpus: CorpusConfig,
    role: Role,
    root: Path,
    cache_dir: Path,
    trained: Path,
    out_dir: Path,
    progress: Progress | None = None,
) -> list[SubsetSummary]:
    """Write `<subset>.jsonl` of every dev or test subset below `out_dir`, and texts as they were given below `given`.

    Args:
        corpus: names the subsets.
        role: which of them.
        root: folder that holds them.
        cache_dir: where audio that must be decoded first goes.
        trained: what `build_manifests` wrote.
        out_dir: folder to write to.
        progress: told how far it is.

    Raises:
        UserError: a subset is missing or has nothing to score, or its audio is trained on.
    """
    subsets = [
        read_subset(root, name, corpus, cache_dir, progress=progress).without(needs_text)
        for name in dict.fromkeys(_subsets(corpus, role))
    ]
    for subset in subsets:
        long = sum(u.duration > corpus.max_seconds for u in subset.utterances)
        subset.notes[f"longer than corpus.max_seconds = {corpus.max_seconds:g}, and scored in one piece"] += long
    summaries = [summarize(subset, role) for subset in subsets]
    write_summary(out_dir, summaries)
    for subset in subsets:
        if not subset.utterances:
            rejected = out_dir / "rejected.jsonl"
            raise UserError(f"{role} subset {subset.name!r} has no usable utterance; see {rejected}")
    used = AudioInUse(u for subset in subsets for u in subset.utterances)
    for kind in ("labeled", "unlabeled"):
        for u in read_manifest(trained / f"{kind}.jsonl"):
            if (scored := used.find(u)) is not None:
                raise UserError(
                    f"corpus.{role}: the audio of {scored!r} is trained on, as {kind} {u.id!r} ({u.audio_filepath}); "
                    "take it out of one of them"
                )
    for subset in subsets:
        write_manifest(out_dir / f"{subset.name}.jsonl", subset.utterances)
        _write_given(subset, out_dir)
    return summaries


def fingerprint_scored(corpus: CorpusConfig, role: Role, root: Path) -> str:
    """A digest of the settings and files of the dev or of the test subsets, as `fingerprint` is of the others'.

    Raises:
        UserError: a subset is missing.
    """
    names = _subsets(corpus, role)
    settings = {role: names, "channel": corpus.channel, "normaliser": corpus.normaliser}
    return fingerprint_files(settings, names, root, corpus.source)
