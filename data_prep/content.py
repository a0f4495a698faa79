"""The bytes of an audio file, wherever a corpus keeps them."""

from __future__ import annotations

from pathlib import Path

from asr.audio.view import map_file
from data_prep.formats.huggingface import SUFFIXES, read_audio_bytes
from data_prep.source import Source


def read_content(folder: Path, source: Source) -> memoryview:
    """A source's audio, still encoded: a file, or a part of an archive or a table.

    Raises:
        Unreadable: there is no such file, or nothing in it.
    """
    path = folder / source.path
    if source.part is None:
        return map_file(path)
    if path.suffix in SUFFIXES:
        return read_audio_bytes(path, *source.part)
    first, size = source.part
    return map_file(path)[first : first + size]
