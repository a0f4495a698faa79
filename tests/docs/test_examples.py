"""Every Python example and every settings example of README and docs, as it stands there."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch
from pages import PAGES, blocks, write_settings
from torch import nn

from asr.config_file import load_config


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """README's goes on from somebody's training; blocks of other pages go on from each other."""
    model = nn.Linear(2, 1)
    names: dict[str, object] = {
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3),
        "evaluate": lambda model: model(torch.ones(1, 2)),
    }
    for block in blocks(page, "python"):
        first = block.text.partition("\n")[0]
        # What it needs is made, and the same is done, by tests/recognizer/test_sherpa.py.
        if first == "# after the export above":
            compile(block.text, str(block), "exec")
            continue
        if first.startswith("# needs ") and importlib.util.find_spec(first.removeprefix("# needs ")) is None:
            compile(block.text, str(block), "exec")
            continue
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
    capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_settings_of_a_page_are_settings(
    page: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "desk"
    shutil.copytree(desk, here, symlinks=True)
    monkeypatch.chdir(here)
    for path in write_settings(page, here):
        load_config(path)
