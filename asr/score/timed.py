"""NIST's files with times: references in segments (STM) and words as they were heard (CTM).

Times alone decide which words belong to which segment, as in NIST's sclite (SCTK, `stm2ctm.c`): within a channel, words
in the order of time go to the first segment that ends after their middle, whatever lies before it too, and all that is
left goes to the last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from asr.errors import UserError
from asr.score.lines import Lines, Span, TextLine

IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
"""Of a segment with this text nothing is scored, nor what was heard in it."""

_COMMENTS = (";;", "**")
_BEGIN, _NEXT, _END = "<ALT_BEGIN>", "<ALT>", "<ALT_END>"


def _seconds(cell: str, place: str, what: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{place}: {what} is {cell!r}, where seconds are needed")
    return value


def read_stm(path: Path, lines: Lines) -> list[TextLine]:
    """Segments: file, channel, speaker, begin, end, by option a label in angle brackets, and what was said.

    Raises:
        UserError: a line is none of these.
    """
    found: list[TextLine] = []
    for number, line in lines:
        if line.startswith(_COMMENTS):
            continue
        place, cells = f"{path}, line {number}", line.split(maxsplit=5)
        if len(cells) < 5:
            raise UserError(
                f"{place}: {len(cells)} columns, where .stm has file, channel, speaker, begin, end and text"
            )
        file, channel, speaker = cells[:3]
        begin, end = _seconds(cells[3], place, "the begin"), _seconds(cells[4], place, "the end")
        if end < begin:
            raise UserError(f"{place}: ends at {cells[4]} s, before it begins at {cells[3]} s")
        text, label = cells[5].strip(" \t") if len(cells) > 5 else "", ""
        if text.startswith("<"):
            label, _, text = text.replace("\t", " ").partition(" ")
        span = Span(file, channel, begin, end)
        name = f"{file}-{channel}-{begin}-{end}"
        found.append(TextLine(name, text.strip(), path, number, speaker, label.strip("<>") or None, None, span))
    return found


def _alternatives(words: Sequence[TextLine], place: str) -> str:
    """A block of alternatives as .trn writes them."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word.text.upper() == _NEXT:
            parts.append([])
        elif "/" in word.text:
            raise UserError(f"{place}: a slash in a word of an alternative; write the word without")
        else:
            parts[-1].append(word.text)
    return "{ " + " / ".join(" ".join(part) or "@" for part in parts) + " }"


def read_ctm(path: Path, lines: Lines) -> list[TextLine]:
    """Words: file, channel, begin, duration, word, by option a confidence. A block of alternatives is one of them.

    Raises:
        UserError: a line is none of these, or a block has no end.
    """
    found: list[TextLine] = []
    block: list[TextLine] | None = None
    for number, line in lines:
        if line.startswith(_COMMENTS):
            continue
        place, cells = f"{path}, line {number}", line.split()
        if len(cells) < 5:
            raise UserError(f"{place}: {len(cells)} columns, where .ctm has file, channel, begin, duration and word")
        file, channel, word = cells[0], cells[1], cells[4]
        mark = word.upper()
        if mark == _BEGIN and block is None:
            block = []
        elif mark == _NEXT and block is not None:
            block.append(TextLine("", word, path, number))
        elif mark == _END and block is not None:
            timed = [line for line in block if line.offset is not None]
            if not timed:
                raise UserError(f"{place}: alternatives without a word")
            # It goes where the word with the latest middle belongs.
            last = max(timed, key=lambda line: line.offset or 0.0)
            found.append(last._replace(text=_alternatives(block, place)))
            block = None
        elif mark in (_BEGIN, _NEXT, _END):
            raise UserError(f"{place}: {word} where none is expected; alternatives stand between {_BEGIN} and {_END}")
        else:
            begin, duration = _seconds(cells[2], place, "the begin"), _seconds(cells[3], place, "the duration")
            if duration < 0:
                raise UserError(f"{place}: a duration of {cells[3]} s")
            middle, span = begin + duration / 2, Span(file, channel, begin, begin + duration)
            (found if block is None else block).append(TextLine("", word, path, number, offset=middle, span=span))
    if block is not None:
        raise UserError(f"{path}: {_BEGIN} without its {_END}")
    return found


def _by_channel(lines: Iterable[TextLine], key: Callable[[str], str]) -> dict[tuple[str, str], list[TextLine]]:
    found: dict[tuple[str, str], list[TextLine]] = {}
    for line in lines:
        if line.span is not None:
            found.setdefault((key(line.span.file), key(line.span.channel)), []).append(line)
    for together in found.values():
        together.sort(key=lambda line: line.span.begin if line.span else 0.0)
    return found


def assign_words(
    words: Iterable[TextLine], segments: Iterable[TextLine], key: Callable[[str], str]
) -> tuple[list[TextLine], list[TextLine]]:
    """The text that was heard in each segment, and words of channels that no segment is of.

    Args:
        words: of a CTM.
        segments: of an STM.
        key: applied to names of files and channels before they are compared.

    Returns:
        Lines with the segments' ids; none of channels without any word.
    """
    heard, told = _by_channel(words, key), _by_channel(segments, key)
    lines: list[TextLine] = []
    for channel, ours in told.items():
        theirs = heard.pop(channel, [])
        if not theirs:
            continue
        first = 0
        for row, segment in enumerate(ours):
            end = len(theirs)
            if row < len(ours) - 1 and segment.span is not None:
                # sclite keeps a segment's end in single precision, and a word's middle in double.
                limit = float(np.float32(segment.span.end))
                end = next((n for n in range(first, end) if (theirs[n].offset or 0.0) >= limit), end)
            here = theirs[first:end]
            at = here[0] if here else theirs[0]
            lines.append(TextLine(segment.id, " ".join(word.text for word in here), at.path, at.number))
            first = end
    return lines, [word for left in heard.values() for word in left]
