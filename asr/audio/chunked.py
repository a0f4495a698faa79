"""Containers made of chunks: WAV and its larger kin RF64, AIFF, W64, CAF.

A recorder writes the size of the audio last, so one that died leaves 0, and one that writes to a pipe leaves a
placeholder. libsndfile reads nothing of the former, and takes what is left of a file that was cut for all of it.

Formats: Microsoft, Multimedia Programming Interface (1991); EBU Tech 3306 (RF64); Apple, AIFF-C (1991) and Core Audio
Format; Sony, Wave64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from asr.audio.stream import Fault, Stream

LARGEST = 0x7FFF0000
"""Bytes. Writers that cannot know the size declare this much or more, or a multiple of `ROUND`."""
ROUND = 1 << 24
SAMPLED = (1, 3, 6, 7, 0xFFFE)
"""WAV's formats in which each frame of audio is `block` bytes: PCM, float, A-law, μ-law, extensible."""


@dataclass(frozen=True)
class Dialect:
    first: int
    """Bytes before the first chunk."""
    size: str
    """How a chunk's size is packed, as `struct` writes it."""
    name: int = 4
    """Bytes of a chunk's name."""
    align: int = 2
    includes_head: bool = False


DIALECTS = {
    b"RIFF": Dialect(12, "<I"),
    b"RF64": Dialect(12, "<I"),
    b"BW64": Dialect(12, "<I"),
    b"RIFX": Dialect(12, ">I"),
    b"FORM": Dialect(12, ">I"),
    b"riff": Dialect(40, "<Q", 16, 8, True),
    b"caff": Dialect(8, ">q", 4, 1),
}
AUDIO = (b"data", b"SSND")


@dataclass(frozen=True)
class Chunk:
    name: bytes
    """Its first four bytes, which W64 has in common with WAV."""
    start: int
    size: int
    """As declared, in bytes."""


def _chunks(data: memoryview, start: int, dialect: Dialect) -> Iterator[Chunk]:
    """The chunks from a byte on, up to one that the file does not hold wholly."""
    head = dialect.name + struct.calcsize(dialect.size)
    while start + head <= len(data):
        (size,) = struct.unpack_from(dialect.size, data, start + dialect.name)
        size -= head if dialect.includes_head else 0
        chunk = Chunk(bytes(data[start : start + 4]), start + head, size)
        yield chunk
        if size < 0:
            return
        start = chunk.start + -(-size // dialect.align) * dialect.align


def _is_chunks(data: memoryview, start: int, dialect: Dialect) -> bool:
    """Whether everything from a byte on is chunks, to the end, and no other file."""
    end = start
    for chunk in _chunks(data, start, dialect):
        end = chunk.start + chunk.size
        if chunk.size < 0 or chunk.name in DIALECTS or not (chunk.name.isascii() and chunk.name.decode().isprintable()):
            return False
    return len(data) - dialect.align < end <= len(data)


def surplus(data: memoryview, start: int) -> Fault | None:
    """What is wrong with bytes that no header speaks of; zeros are padding."""
    rest = bytes(data[start:])
    if not rest.strip(b"\0") or (len(rest) == 128 and rest[:3] == b"TAG"):
        return None
    return Fault("damaged", f"{len(rest):,} bytes after the audio that its header does not know; joined files?")


def _frame_rate(data: memoryview, format_chunk: Chunk | None, order: str) -> tuple[float, int] | None:
    """Frames a second, and bytes of a frame, where each frame has equally many."""
    if format_chunk is None or format_chunk.size < 16:
        return None
    tag, _, rate, _, block = struct.unpack_from(f"{order}HHIIH", data, format_chunk.start)
    return (rate, block) if tag in SAMPLED and rate and block else None


def _rebuilt(data: memoryview, format_chunk: Chunk, audio: Chunk) -> tuple[bytes, memoryview]:
    """A WAV file whose audio goes on to its end."""
    unknown = b"\xff" * 4
    content = bytes(data[format_chunk.start : format_chunk.start + format_chunk.size])
    head = b"RIFF" + unknown + b"WAVEfmt " + len(content).to_bytes(4, "little") + content + b"data" + unknown
    return head, data[audio.start :]


def _is_placeholder(size: int, audio: Chunk, whole: int) -> bool:
    """Whether a size that the file does not hold was written before it could be known.

    A copy that was cut has sizes that agree with each other. AIFF counts 8 bytes in front of the samples.
    """
    sampled = size - 8 if audio.name == b"SSND" else size
    rounded = sampled % ROUND == 0 or whole % ROUND == 0
    return size >= LARGEST or whole >= LARGEST or rounded or 8 + whole < audio.start + size


def _sizes(data: memoryview, dialect: Dialect, found: dict[bytes, Chunk], audio: Chunk) -> tuple[int, int]:
    """What is declared of the whole file and of its audio, in bytes. RF64 has them in a chunk of their own."""
    if audio.size == 0xFFFFFFFF and b"ds64" in found:
        whole, size = struct.unpack_from("<QQ", data, found[b"ds64"].start)
        return whole, size
    # CAF has no size of the whole.
    whole = audio.start + audio.size if dialect.first == 8 else struct.unpack_from(dialect.size, data, dialect.name)[0]
    return whole, audio.size


def read_chunked(data: memoryview) -> Stream:
    """The audio of a file that begins with one of `DIALECTS`."""
    magic = bytes(data[:4])
    dialect = DIALECTS[magic]
    found: dict[bytes, Chunk] = {}
    for chunk in _chunks(data, dialect.first, dialect):
        found.setdefault(chunk.name, chunk)
        if chunk.name in AUDIO:
            break
    audio = found.get(b"data") or found.get(b"SSND")
    if audio is None:
        return Stream((data,))
    whole, declared = _sizes(data, dialect, found, audio)
    available = len(data) - audio.start
    wav_format = found.get(b"fmt ") if dialect.size[1] == "I" else None
    frames = _frame_rate(data, wav_format, dialect.size[0])

    def seconds(size: int) -> float | None:
        return None if frames is None else size // frames[1] / frames[0]

    end = audio.start + declared
    if 0 < declared <= available:
        # Not every writer pads an odd size.
        known = any(_is_chunks(data, end + padding, dialect) for padding in {0, -declared % dialect.align})
        return Stream((data,), seconds(declared), fault=None if known else surplus(data, end))
    if declared == 0 and (available == 0 or _is_chunks(data, end, dialect)):
        return Stream((data,), 0.0)
    if magic == b"caff" and declared == -1:
        return Stream((data,))
    if declared > available and not _is_placeholder(declared, audio, whole):
        detail = f"{available:,} of {declared:,} bytes of audio are there"
        return Stream((data,), fault=Fault("truncated", detail))
    if wav_format is None or magic == b"RIFX":
        fault = Fault("length unknown", "its header lacks it; write the file anew")
        # Of a size that is too large libsndfile takes what there is.
        return Stream((data,), fault=None if declared else fault)
    return Stream(_rebuilt(data, wav_format, audio), seconds(available), as_is=False)
