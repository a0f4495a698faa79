"""The bytes of an audio file, wherever a corpus keeps them."""

from __future__ import annotations

import zlib
from pathlib import Path

from asr.audio.stream import Unreadable
from asr.audio.view import map_file
from data_prep.formats.huggingface import is_table, read_audio_bytes
from data_prep.source import Source


def read_content(folder: Path, source: Source) -> memoryview:
    """A source's audio, still encoded: a file, or a part of an archive or a table.

    Raises:
        Unreadable: there is no such file, nothing in it, or something else than was packed.
    """
    path = folder / source.path
    if source.part is None:
        return map_file(path)
    if is_table(path):
        return read_audio_bytes(path, *source.part)
    first, size = source.part
    content = map_file(path)[first : first + size]
    if len(content) < size:
        raise Unreadable(source.name, "truncated", f"the archive ends {size - len(content):,} bytes before it does")
    if source.crc is not None and zlib.crc32(content) != source.crc:
        raise Unreadable(source.name, "damaged", f"CRC-32 is not {source.crc:08x}, which it was when it was packed")
    return content
