"""Which toolkit a manifest is of, and what it lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from asr.data.packed import PACK
from asr.errors import UserError
from data_prep.folder import scan
from data_prep.formats import huggingface, table
from data_prep.formats.huggingface import find_tables, read_huggingface
from data_prep.formats.kaldi import RECORDINGS, read_kaldi
from data_prep.formats.lhotse import find_lhotse, kind_of, read_lhotse
from data_prep.formats.nemo import RANGE, TARRED, read_nemo
from data_prep.formats.rows import read_json
from data_prep.formats.table import read_table
from data_prep.source import Listing, Source, canonical

KNOWN = (
    "NeMo's JSON lines, a Kaldi data folder (with wav.scp), Lhotse's cuts or supervisions, CSV or TSV, "
    "or a Hugging Face dataset's Parquet files"
)


def _find_reader(folder: Path) -> Callable[[], Listing] | None:
    """What reads the manifest in a folder; None where there is none."""
    if (folder / RECORDINGS).exists():
        return partial(read_kaldi, folder)
    for name in (PACK, TARRED):
        if (folder / name).exists():
            return partial(read_nemo, folder / name)
    if find_tables(folder):
        return partial(read_huggingface, folder)
    manifest = find_lhotse(folder)
    return None if manifest is None else partial(read_lhotse, manifest)


def _read_lines(path: Path) -> Listing:
    where, first = next(read_json(path), (str(path), {}))
    if "audio_filepath" in first or "audio_file" in first:
        return read_nemo(path)
    if kind_of(first) is not None:
        return read_lhotse(path)
    fields = f"has {', '.join(map(repr, first))}" if first else "is empty"
    raise UserError(f"{where}: neither NeMo's nor Lhotse's: {fields}, where NeMo has 'audio_filepath'")


def _check_ids(sources: Iterable[Source], path: Path) -> None:
    """Raises UserError where an id is no single word, or there twice, perhaps in two Unicode forms."""
    seen: set[str] = set()
    for source in sources:
        if source.id.split() != [source.id]:
            raise UserError(f"{path}: utterance id {source.id!r} must be one word; replace its blanks")
        if source.id in seen:
            raise UserError(f"{path}: utterance id {source.id!r} occurs twice, or in two Unicode forms")
        seen.add(source.id)


def _read(path: Path) -> Listing | None:
    if path.is_dir():
        reader = _find_reader(path)
        return None if reader is None else reader()
    if RANGE.search(path.name):
        return read_nemo(path)
    if huggingface.is_table(path) or not path.exists():
        return read_huggingface(path) if find_tables(path) else None
    return read_table(path) if path.name.lower().endswith(table.SUFFIXES) else _read_lines(path)


def _direct(path: str) -> str:
    """The same file by one path, whatever ways lead to it: a file is decoded once, and counts once."""
    return os.path.realpath(path) if "/./" in path or "/../" in path else path


def _finished(listing: Listing, path: Path) -> Listing:
    for number, source in enumerate(listing.sources):
        name, direct = canonical(source.id), _direct(source.path)
        if (name, direct) != (source.id, source.path):
            listing.sources[number] = replace(source, id=name, path=direct)
    _check_ids(listing.sources, path)
    listing.sources.sort(key=lambda source: source.id)
    return listing


def list_manifest(path: Path) -> Listing:
    """What a manifest lists, in the order of ids, without any audio opened. Paths of audio are absolute.

    Raises:
        UserError: it is not there, of no known kind, or not as it should be.
    """
    path = path.absolute()
    listing = _read(path)
    if listing is None:
        found = "no manifest in this folder" if path.is_dir() else "no such manifest"
        raise UserError(f"{path}: {found}; expected {KNOWN}")
    return _finished(listing, path)


def is_bare(path: Path) -> bool:
    """Whether a path is a folder without a manifest, of which audio is all there is to list.

    Raises:
        UserError: manifests are in it, of which it is not clear which one is meant.
    """
    return path.is_dir() and _find_reader(path) is None


def list_any(path: Path) -> Listing:
    """The same, or the audio in a folder that has no manifest.

    Raises:
        UserError: as `list_manifest`.
    """
    path = path.absolute()
    if not is_bare(path):
        return list_manifest(path)
    listing = scan(path)
    listing.sources = [replace(source, path=str(path / source.path)) for source in listing.sources]
    return _finished(listing, path)
