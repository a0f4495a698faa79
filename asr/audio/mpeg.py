"""MPEG audio (MP3), frame by frame.

Nothing in an MP3 file need say how long it is. libsndfile reads as far as the count in a Xing frame, or else as far as
a guess from the first frames goes: half of a file of variable bit rate, and the first of files that were joined. Here
frames are counted, and where no true count stands in front one is put there.

Formats: ISO/IEC 11172-3 and 13818-3 (frames); the Xing and LAME tags as LAME writes them; ID3v2.4 (sizes).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache

from asr.audio.stream import NEAR_SECONDS, Buffer, Fault, Stream

KBITS = {
    (False, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (False, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (True, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (True, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by their index less one, of (half rates or not, layer)."""
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Samples a second by their index, of a version's two bits."""
MONO = 3
DECODER_DELAY = 529
"""Samples that the decoder leaves out in front."""
XING_BYTES = 16
TAG = re.compile(rb"ID3|TAG|APETAGEX|\xff", re.DOTALL)
"""What a tag or a frame begins with."""
ZEROS = re.compile(rb"\0*")
HEAD_MASK = 0xFFFE0C00
"""What the frames of one stream have in common: synchronisation, version, layer and rate."""


@dataclass(frozen=True, slots=True)
class Frame:
    layer: int
    rate: int
    samples: int
    size: int
    """Bytes."""
    side: int
    """Bytes of its header and side information, behind which a Xing frame has its name."""
    mono: bool


@cache
def _parse(head: int) -> Frame | None:
    """A frame from the four bytes it begins with; None where none begins."""
    version, layer, kbits, rate = (head >> 19) & 3, 4 - ((head >> 17) & 3), (head >> 12) & 15, (head >> 10) & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return None
    half, mono = version != 3, (head >> 6) & 3 == MONO
    bits, hertz, padding = 1000 * KBITS[half, layer][kbits - 1], RATES[version][rate], (head >> 9) & 1
    if layer == 1:
        return Frame(1, hertz, 384, (12 * bits // hertz + padding) * 4, 4, mono)
    samples = 576 if layer == 3 and half else 1152
    side = 4 + ((9 if mono else 17) if half else (17 if mono else 32))
    return Frame(layer, hertz, samples, samples // 8 * bits // hertz + padding, side, mono)


def _frame_at(data: memoryview, start: int) -> tuple[int, Frame | None]:
    head = int.from_bytes(data[start : start + 4], "big")
    return head, _parse(head)


def begins_frame(data: memoryview, start: int) -> bool:
    """Whether a frame begins, behind zeros perhaps, that another one follows."""
    zeros = ZEROS.match(data, start)
    start = start if zeros is None else zeros.end()
    frame = _frame_at(data, start)[1]
    return frame is not None and _frame_at(data, start + frame.size)[1] is not None


def skip_id3(data: memoryview, start: int = 0) -> int:
    """Where a tag of ID3v2 that begins at a byte ends; the byte itself where none does."""
    if bytes(data[start : start + 3]) != b"ID3" or len(data) < start + 10:
        return start
    size = 0
    for byte in bytes(data[start + 6 : start + 10]):
        size = size << 7 | byte & 0x7F
    return min(len(data), start + 10 + size)


def _skip_tag(data: memoryview, start: int) -> int:
    """Where a tag that begins at a byte ends; the byte itself where none does."""
    magic = bytes(data[start : start + 8])
    if magic[:3] == b"TAG":
        return min(len(data), start + 128)
    if magic == b"APETAGEX" and len(data) >= start + 32:
        size = int.from_bytes(data[start + 12 : start + 16], "little")
        is_header = data[start + 23] & 0x20
        return min(len(data), start + 32 + (size if is_header else 0))
    return skip_id3(data, start)


@dataclass(frozen=True)
class _Count:
    """What a frame that holds no audio says of those that do."""

    frames: int
    padding: int
    """Samples that its encoder added, in front and behind, and that a decoder leaves out."""


def _count(data: memoryview, start: int, frame: Frame) -> _Count | None:
    """The count of a Xing, Info or VBRI frame; None of a frame of audio."""
    place = start + frame.side
    if bytes(data[place : place + 4]) not in (b"Xing", b"Info"):
        return _Count(0, 0) if bytes(data[start + 36 : start + 40]) == b"VBRI" else None
    flags = int.from_bytes(data[place + 4 : place + 8], "big")
    frames = int.from_bytes(data[place + 8 : place + 12], "big") if flags & 1 else 0
    lame = place + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    gaps = int.from_bytes(data[lame + 21 : lame + 24], "big")
    return _Count(frames, (gaps >> 12) + (gaps & 0xFFF))


def _xing(head: int, frames: int) -> bytes:
    """A frame without audio that says how many follow, in the manner of the one that begins with `head`."""
    for kbits in range(1, 15):
        like = head & 0xFFFF0DFF | kbits << 12 | 1 << 16
        frame = _parse(like)
        if frame is not None and frame.size >= frame.side + XING_BYTES:
            content = like.to_bytes(4, "big") + bytes(frame.side - 4) + b"Xing" + struct.pack(">II", 1, frames)
            return content + bytes(frame.size - len(content))
    raise ValueError(f"{head:08x} begins no frame")


@dataclass
class _Run:
    """Frames of one kind that follow on each other."""

    head: int
    frame: Frame
    start: int
    count: _Count | None
    stop: int = 0
    frames: int = 0

    def stream(self, data: memoryview, fault: Fault | None) -> Stream:
        """With a true count in front, its own or one that is made."""
        seconds = self.frames * self.frame.samples / self.frame.rate
        slack = DECODER_DELAY / self.frame.rate + NEAR_SECONDS
        declared = self.count.frames if self.count else 0
        pieces: list[Buffer] = [data[self.start : self.stop]]
        if self.count and declared >= self.frames:
            slack += self.count.padding / self.frame.rate
            if declared > self.frames:
                fault = Fault("truncated", f"{self.frames:,} of {declared:,} frames are there")
        elif self.frame.layer == 3:
            first = self.start + (self.frame.size if self.count else 0)
            pieces = [_xing(self.head, self.frames), data[first : self.stop]]
        return Stream(tuple(pieces), seconds, slack, fault, as_is=False)


def read_mpeg(data: memoryview) -> list[Stream]:
    """The streams of an MP3 file: one, or one for each of the files that were joined to it."""
    runs: list[_Run] = []
    position, foreign, parted, fault = 0, 0, True, None
    while position < len(data):
        head, frame = _frame_at(data, position)
        # One that stands alone in front is chance.
        if frame is None or (not runs and _frame_at(data, position + frame.size)[1] is None):
            after = _skip_tag(data, position)
            parted = after > position
            if not parted:
                following = TAG.search(data, position + 1)
                after = following.start() if following else len(data)
                # Zeros are padding, and no loss.
                foreign += len(bytes(data[position:after]).strip(b"\0"))
            position = after
            continue
        if position + frame.size > len(data):
            fault = Fault("truncated", "its last frame is cut")
            break
        count = _count(data, position, frame)
        last = runs[-1] if runs else None
        if last is None or count or parted or (head ^ last.head) & HEAD_MASK or frame.mono != last.frame.mono:
            runs.append(_Run(head, frame, position, count))
        parted = False
        position += frame.size
        runs[-1].stop = position
        runs[-1].frames += 0 if count else 1
    # Nothing but a count may stand in front of a tag.
    runs = [run for run in runs if run.frames] or runs[:1]
    if foreign and not fault:
        fault = Fault("damaged", f"{foreign:,} bytes that are no frames")
    # What is wrong is the last one's, which ends where it is.
    return [run.stream(data, fault if run is runs[-1] else None) for run in runs]
