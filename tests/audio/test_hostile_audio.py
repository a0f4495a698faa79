from __future__ import annotations

from functools import cache

import pytest
from encoded import encode, steps
from hypothesis import given
from hypothesis import strategies as st

from asr.audio.container import find_streams
from asr.audio.stream import Unreadable

KINDS = {
    "WAV": ("WAV", "PCM_16"),
    "RF64": ("RF64", "PCM_16"),
    "W64": ("W64", "PCM_16"),
    "AIFF": ("AIFF", "PCM_16"),
    "CAF": ("CAF", "PCM_16"),
    "AU": ("AU", "PCM_16"),
    "NIST": ("NIST", "PCM_16"),
    "MP3": ("MP3", None),
    "VORBIS": ("OGG", "VORBIS"),
    "OPUS": ("OGG", "OPUS"),
    "FLAC": ("FLAC", "PCM_16"),
}


@cache
def whole(kind: str) -> bytes:
    form, subtype = KINDS[kind]
    return encode(steps(0.3), form, subtype)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_bytes_of_any_kind_are_streams_or_refused(kind: str, data: st.DataObject) -> None:
    content = bytearray(whole(kind))
    for _ in range(data.draw(st.integers(0, 4))):
        # Headers matter most.
        limit = data.draw(st.sampled_from([64, 512, len(content)]))
        place = data.draw(st.integers(0, min(limit, len(content)) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x4F]))
    stop = data.draw(st.one_of(st.just(len(content)), st.integers(1, 200), st.integers(1, len(content))))
    try:
        streams = find_streams(memoryview(bytes(content[:stop])))
    except Unreadable:
        return
    assert streams
    for stream in streams:
        assert sum(map(len, stream.pieces)) > 0
        assert stream.seconds is None or stream.seconds >= 0
