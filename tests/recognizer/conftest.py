from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from small_model import make_run, noise
from tone_model import train_on_tones


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), steps=3)


@pytest.fixture(scope="session")
def tone_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that hears what is said in `tone_model`'s language."""
    return train_on_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a.flac` and `deep/b.wav` of some seconds, and `long.flac` of 40 s."""
    folder = tmp_path_factory.mktemp("audio")
    (folder / "deep").mkdir()
    soundfile.write(folder / "a.flac", noise(3.0, 1), 16_000, subtype="PCM_16")
    soundfile.write(folder / "deep" / "b.wav", noise(2.2, 2), 16_000, subtype="PCM_16")
    soundfile.write(folder / "long.flac", noise(40.0, 3), 16_000, subtype="PCM_16")
    (folder / "notes.txt").write_text("not audio\n")
    return folder
