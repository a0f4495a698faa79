from __future__ import annotations

import os

import pytest

from asr.data.audio import AudioReader


@pytest.mark.parametrize(
    ("asked", "cores", "processes", "expected"),
    [(0, 128, "8", 8), (0, 2, "1", 2), (0, 32, "8", 4), (0, 8, "8", 2), (5, 128, "8", 5)],
)
def test_threads_follow_the_cores_of_each_process_where_no_number_is_given(
    asked: int, cores: int, processes: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    reader = AudioReader(asked, 0)
    assert reader._pool._max_workers == expected
    reader.close()
