"""Settings of the test run, and what its tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from tiny_corpus import TinyCorpus, write_tiny_corpus

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


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    return write_tiny_corpus(tmp_path_factory.mktemp("tiny"))
