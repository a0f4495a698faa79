"""Containers that are a header and then samples: NIST SPHERE and Sun's AU."""

from __future__ import annotations

import struct

from asr.audio.chunked import surplus
from asr.audio.stream import Fault, Stream, Unreadable

UNKNOWN = 0xFFFFFFFF
SPHERE_HEAD = 16
"""Bytes: the magic, and the size of the header as a decimal number."""


def _checked(data: memoryview, start: int, declared: int, seconds: float | None) -> Stream:
    available = len(data) - start
    if declared > available:
        return Stream((data,), fault=Fault("truncated", f"{available:,} of {declared:,} bytes of audio are there"))
    return Stream((data,), seconds, fault=surplus(data, start + declared))


def read_sphere(data: memoryview) -> Stream:
    """Raises Unreadable where samples are compressed, which libsndfile does not undo."""
    size = bytes(data[8:SPHERE_HEAD]).strip()
    start = int(size) if size.isdigit() else 1024
    lines = bytes(data[SPHERE_HEAD:start]).decode("latin-1").split("\n")
    fields = {name: value for name, _, value in (line.split(" ", 2) for line in lines if line.count(" ") >= 2)}
    coding = fields.get("sample_coding", "pcm")
    if "embedded" in coding or "shorten" in coding:
        raise Unreadable("SPHERE", "compressed SPHERE", f"{coding}; unpack it with sph2pipe -f wav")
    try:
        frames, rate = int(fields["sample_count"]), int(fields["sample_rate"])
        frame = int(fields.get("channel_count", "1")) * int(fields["sample_n_bytes"])
    except (KeyError, ValueError):
        return Stream((data,), fault=Fault("length unknown", "its header lacks the count, rate or size of samples"))
    return _checked(data, start, frames * frame, frames / rate)


def read_au(data: memoryview) -> Stream:
    start, declared = struct.unpack_from(">II", data, 4) if len(data) >= 12 else (0, UNKNOWN)
    return Stream((data,)) if declared == UNKNOWN else _checked(data, start, declared, None)
