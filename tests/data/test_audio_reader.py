from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.data.audio import AudioReader, read_samples


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


def test_what_overshoots_full_scale_is_clipped_and_does_not_turn_around(tmp_path: Path) -> None:
    """A codec that is lossy makes more of a square wave than was put in."""
    wave = np.where(np.arange(16_000) // 40 % 2, 0.999, -0.999).astype(np.float32)
    soundfile.write(tmp_path / "a.ogg", wave, 16_000, format="OGG", subtype="VORBIS")
    floats, _ = soundfile.read(tmp_path / "a.ogg", dtype="float32")
    assert np.abs(floats).max() > 1.01
    found = read_samples(str(tmp_path / "a.ogg"), 0.0, 1.0)
    assert np.abs(found / 32768 - floats[: len(found)].clip(-1, 1)).max() < 1e-4
