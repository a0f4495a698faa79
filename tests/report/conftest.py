from pathlib import Path

import pytest
from fake_run import write_fake_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    return write_fake_run(tmp_path / "run")
