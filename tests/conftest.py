"""Settings of the test run, and what its tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from file_server import FileServer, serve
from hypothesis import settings
from tiny_corpus import TinyCorpus, write_tiny_corpus

from asr.config_file import to_dict

# A busy machine is no mistake of the code's.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
# Threads that compete are slower than one, and tests may run beside each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """The folder of real speech that some tests use; they skip where it is absent."""
    folder = Path(os.environ.get("ASR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real speech at {folder}; set ASR_TEST_DATA")
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr("data_prep.download.PAUSE", 0.0)
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    return write_tiny_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def recipe(tiny_corpus: TinyCorpus, tmp_path: Path) -> list[str]:
    """A corpus on disk and arguments that take it through all stages in seconds."""
    rng = np.random.default_rng(0)
    for subset, speaker, count in (("train", 1, 8), ("audio", 2, 12), ("dev", 3, 3), ("dev", 4, 2)):
        folder = tmp_path / "data" / "tiny" / subset / str(speaker) / "1"
        folder.mkdir(parents=True)
        names = [f"{speaker}-1-{row:04d}" for row in range(count)]
        for name in names:
            samples = rng.integers(-3000, 3000, int(rng.uniform(0.8, 2.0) * 16_000)).astype(np.int16)
            soundfile.write(folder / f"{name}.flac", samples, 16_000)
        (folder / f"{speaker}-1.trans.txt").write_text("".join(f"{name} ONE TWO\n" for name in names))
    settings = to_dict(tiny_corpus.config)
    settings["corpus"] |= {"labeled": ["train"], "unlabeled": ["audio"], "dev": ["dev"]}
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(settings))
    places = ["--data-dir", str(tmp_path / "data"), "--exp-dir", str(tmp_path / "exp")]
    return ["recipe", "--corpus", str(config), *places]
