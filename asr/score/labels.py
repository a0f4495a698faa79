"""Names that tell hypotheses apart, in tables and beside aligned words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MOST_CHARACTERS = 20


def _shared(paths: Sequence[Sequence[str]], most: int) -> int:
    """How many parts all paths begin with, at most so many."""
    return next((n for n in range(most) if len({parts[n] for parts in paths}) > 1), most)


def name_files(paths: Sequence[Path]) -> list[str]:
    """The files' names; where two are alike, their paths without the parts that all begin and end with.

    RUN/student/dev.txt and RUN/teacher/dev.txt are `student` and `teacher`.
    """
    names = [path.name or str(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    parts = [path.parts for path in paths]
    # Something is left of each, also of the shortest.
    most = max(min(map(len, parts)) - 1, 0)
    begin = _shared(parts, most)
    end = _shared([part[::-1] for part in parts], most - begin)
    return [str(Path(*part[begin : len(part) - end])) for part in parts]


def shorten_names(names: Sequence[str]) -> dict[str, str]:
    """By name, what stands beside aligned words: cut in the middle, but whole where two would then be alike."""
    half = MOST_CHARACTERS // 2
    short = {n: n if len(n) <= MOST_CHARACTERS else f"{n[: half - 1]}…{n[-half:]}" for n in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}
