"""Ogg: Opus, Vorbis and FLAC in pages, several streams one after the other (a chain) or interleaved.

libsndfile decodes the first stream of a chain and takes the last page that is there for the last one. Pages say more:
each counts on from the one before, knows the time at its end, and the last one of a stream is marked.

Formats: RFC 3533 (pages, sections 4 and 6), RFC 7845 (Opus: 48 kHz clock, pre-skip).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from asr.audio.stream import Fault, Stream

HEAD = struct.Struct("<4sBBqIIIB")
CONTINUED, FIRST, LAST = 1, 2, 4
NO_TIME = -1
"""Of a page in which no packet ends."""
LONGEST_PAGE_SECONDS = 64.0
"""No page holds so much: where the first one ends later, those before it are missing."""


@dataclass
class _Logical:
    """The pages of one serial number within one link of a chain."""

    packet: bytes
    """The first page's content, which names the codec."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    number: int = -1
    first_time: int = NO_TIME
    time: int = NO_TIME
    ended: bool = False
    missing: int = 0

    def add(self, start: int, stop: int, flags: int, time: int, number: int) -> None:
        if self.spans and self.spans[-1][1] == start:
            self.spans[-1] = (self.spans[-1][0], stop)
        else:
            self.spans.append((start, stop))
        self.missing += number - self.number - 1 if self.number >= 0 else 0
        self.number = number
        # Headers have the time 0.
        if time > 0:
            self.first_time = time if self.first_time == NO_TIME else self.first_time
            self.time = time
        self.ended = self.ended or bool(flags & LAST)

    def clock(self) -> tuple[float, int] | None:
        """Ticks a second, and those that are not heard; None: no audio that is known."""
        if self.packet[:8] == b"OpusHead" and len(self.packet) >= 12:
            return 48_000, int.from_bytes(self.packet[10:12], "little")
        if self.packet[:7] == b"\x01vorbis" and len(self.packet) >= 16:
            return int.from_bytes(self.packet[12:16], "little"), 0
        if self.packet[:5] == b"\x7fFLAC" and len(self.packet) >= 30:
            return int.from_bytes(self.packet[27:30], "big") >> 4, 0
        return None


def _pages(data: memoryview) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Start, stop, flags, time, serial and number of each page. Stop lies beyond the end where the file was cut."""
    start = 0
    while start + HEAD.size <= len(data):
        magic, _, flags, time, serial, number, _, segments = HEAD.unpack_from(data, start)
        if magic != b"OggS":
            return
        table = data[start + HEAD.size : start + HEAD.size + segments]
        stop = start + HEAD.size + segments + sum(table)
        yield start, stop if len(table) == segments else len(data) + 1, flags, time, serial, number
        start = stop


def _stream(data: memoryview, link: dict[int, _Logical], fault: Fault | None) -> Stream | None:
    """The audio of one link; None where it has none."""
    heard = [(logical, clock) for logical in link.values() if (clock := logical.clock()) is not None and clock[0] > 0]
    if not heard:
        return None
    logical, (rate, skipped) = heard[0]
    if len(heard) > 1:
        fault = fault or Fault("several streams", f"{len(heard)} streams of audio at once; the first is used")
    elif logical.missing:
        fault = fault or Fault("damaged", f"{logical.missing} pages are missing within")
    elif logical.first_time > LONGEST_PAGE_SECONDS * rate:
        fault = fault or Fault("truncated", f"begins at {logical.first_time / rate:.1f} s of a longer recording")
    elif not logical.ended:
        fault = fault or Fault("truncated", "its last page is not marked as the last")
    seconds = max(0.0, (logical.time - skipped) / rate)
    pieces = tuple(data[start:stop] for start, stop in logical.spans)
    return Stream(pieces, seconds, fault=fault, as_is=False)


def read_ogg(data: memoryview) -> list[Stream]:
    """The streams of audio of a file that begins with a page, one for each link of its chain."""
    links: list[dict[int, _Logical]] = []
    end, cut = 0, False
    beginning = False
    for start, stop, flags, time, serial, number in _pages(data):
        if stop > len(data):
            cut = True
            break
        if flags & FIRST:
            # All streams of a link begin before any goes on.
            if not beginning:
                links.append({})
            content = start + HEAD.size + data[start + HEAD.size - 1]
            links[-1][serial] = _Logical(bytes(data[content:stop]))
        beginning = bool(flags & FIRST)
        if links and serial in links[-1]:
            links[-1][serial].add(start, stop, flags, time, number)
        end = stop
    fault = None
    if cut:
        fault = Fault("truncated", "its last page is cut")
    elif bytes(data[end:]).strip(b"\0"):
        fault = Fault("damaged", f"no page begins at byte {end:,}")
    # What is wrong with the end is the last link's.
    found = [_stream(data, link, fault if link is links[-1] else None) for link in links]
    return [stream for stream in found if stream is not None] or [Stream((data,), fault=fault)]
