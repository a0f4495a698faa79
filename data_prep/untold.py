"""Any corpus as one manifest of audio alone, kept beside the labels that are made of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

from asr.config import CorpusConfig
from asr.data.manifest import write_manifest
from asr.errors import UserError
from asr.lock import hold
from asr.recipe.experiment import digest
from asr.whole_file import make_folder, write_whole
from data_prep.fingerprint import fingerprint_files
from data_prep.formats.listing import is_bare
from data_prep.manifests import check_lengths
from data_prep.subset import Cutting, Progress, read_subset
from data_prep.summary import format_summary, summarize, write_summary

OWN = ("id", "audio_filepath", "offset", "duration", "speaker")
"""What the rows of stage 1's manifests begin with."""


def is_own_manifest(path: Path) -> bool:
    """Whether a file's first row is one that stage 1 has written, whose audio is known to be 16 kHz and mono.

    Others name their utterances, too: NeMo's as we write them have other fields in front, and places in a pack, whose
    audio is as it was found, are relative.
    """
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline() or "null")
    except (OSError, ValueError):
        return False
    if not isinstance(first, dict) or tuple(first)[: len(OWN)] != OWN or not first.keys() <= {*OWN, "text"}:
        return False
    return str(first["audio_filepath"]).startswith("/")


def list_audio(corpus: Path, folder: Path, max_seconds: float, progress: Progress) -> Path:
    """A manifest of all audio of a corpus, with long recordings cut at pauses; the same at every call.

    Args:
        corpus: a folder of audio, or what `corpus.source: manifest` reads, which goes before audio in a folder.
        folder: where the manifest goes, what was left out, and audio that must be decoded first.
        max_seconds: of an utterance.
        progress: told how far it is.

    Raises:
        UserError: there is no such corpus, it has changed since the manifest was made, or nothing of it can be used.
    """
    # Links stay as they are, since paths in a manifest begin where the link is; but a subset needs a name.
    place = corpus.resolve() if corpus.name in ("", "..") else corpus.absolute()
    source: Literal["local", "manifest"] = "local" if is_bare(place) else "manifest"
    settings = CorpusConfig(source=source, max_seconds=max_seconds)
    root, name = place.parent, place.name
    made_of = {"corpus": digest([fingerprint_files({}, (name,), root, source)]), "max_seconds": max_seconds}
    manifest, marker = folder / "manifest.jsonl", folder / "manifest.json"
    make_folder(folder)
    # Processes that begin together make it once.
    with hold(folder / ".manifest.lock", wait=True):
        if marker.is_file():
            found = json.loads(marker.read_text(encoding="utf-8"))
            if found["corpus"] != made_of["corpus"]:
                raise UserError(f"{corpus}: has changed since {manifest} was made of it; name another folder")
            if found != made_of:
                raise UserError(
                    f"{manifest}: its utterances last {found['max_seconds']:g} s at most, and now it is "
                    f"{max_seconds:g} s (--longest); keep to the first, or name another folder"
                )
            return manifest
        subset = read_subset(root, name, settings, folder / "audio", Cutting(), progress)
        subset = subset.without(check_lengths(settings))
        summaries = [summarize(subset, "unlabeled")]
        write_summary(folder, summaries)
        progress(format_summary(summaries))
        if not subset.utterances:
            raise UserError(f"{corpus}: no audio that can be labeled; {folder / 'rejected.jsonl'} says why")
        write_manifest(manifest, (dataclasses.replace(u, text=None) for u in subset.utterances))
        write_whole(marker, json.dumps(made_of) + "\n")
    return manifest
