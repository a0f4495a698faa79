"""Which audio is used already: rows may share a file, and must not share what is said in it."""

from __future__ import annotations

import bisect
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from asr.data.manifest import Utterance


@lru_cache(1 << 16)
def _real_folder(path: str) -> str:
    return os.path.realpath(path)


def _one_path(path: str) -> str:
    """The same one by whatever links a file is come to."""
    folder, name = os.path.split(path)
    path = os.path.join(_real_folder(folder), name)  # noqa: PTH118 (a million Path objects take seconds)
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


class AudioInUse:
    """Which stretches of which files utterances use."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        by_file: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for u in utterances:
            by_file[_one_path(u.audio_filepath)].append((u.offset, u.offset + u.duration, u.id))
        self._starts: dict[str, list[float]] = {}
        self._latest: dict[str, list[tuple[float, str]]] = {}
        for path, spans in by_file.items():
            spans.sort()
            self._starts[path] = [start for start, _, _ in spans]
            # Of all that begin no later, the one that ends last.
            self._latest[path] = list(itertools.accumulate(((end, name) for _, end, name in spans), max))

    def find(self, utterance: Utterance) -> str | None:
        """The id of an utterance that uses some of the same audio; None where none does."""
        path = _one_path(utterance.audio_filepath)
        starts = self._starts.get(path, [])
        before = bisect.bisect_left(starts, utterance.offset + utterance.duration)
        if not before:
            return None
        end, name = self._latest[path][before - 1]
        return name if end > utterance.offset else None
