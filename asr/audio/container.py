"""Which container a file is, by its first bytes, and what it holds."""

from __future__ import annotations

import re

from asr.audio.chunked import DIALECTS, read_chunked
from asr.audio.flat import read_au, read_sphere
from asr.audio.mpeg import begins_frame, read_mpeg, skip_id3
from asr.audio.ogg import read_ogg
from asr.audio.stream import Fault, Stream

FLAC_BEGINS = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""The mark, and the head of the description that comes first, which is 34 bytes long."""


def read_flac(data: memoryview) -> Stream:
    """A FLAC file. Decoders stop at the length in its header, whatever follows."""
    second = FLAC_BEGINS.search(data, 4)
    fault = Fault("damaged", f"another FLAC begins at byte {second.start():,}; joined files?") if second else None
    return Stream((data,), fault=fault)


def find_streams(data: memoryview) -> list[Stream]:
    """What is in a file, in its order: one stream, or more where files were joined.

    A container that is not known here is one stream, of a length that only decoding tells.

    Raises:
        Unreadable: its audio is packed in a way that no decoder at hand undoes.
    """
    magic = bytes(data[:4])
    if magic in DIALECTS:
        return [read_chunked(data)]
    if magic == b"OggS":
        return read_ogg(data)
    if magic == b"NIST":
        return [read_sphere(data)]
    if magic == b".snd":
        return [read_au(data)]
    audio = skip_id3(data)
    if bytes(data[audio : audio + 4]) == b"fLaC":
        return [read_flac(data[audio:])]
    if begins_frame(data, audio):
        return read_mpeg(data)
    return [Stream((data,))]
