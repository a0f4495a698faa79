from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from asr import processors
from asr.device import choose_device


def group(root: Path, name: str, quota: str) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(quota)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is in the group job/step of a machine with eight processors, all of which it may run on."""
    membership = tmp_path / "membership"
    membership.write_text("12:cpu:/old\n0::/job/step\n")
    monkeypatch.setattr(processors, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(processors, "MEMBERSHIP", membership)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path / "cgroup"


def test_the_least_bound_of_all_groups_counts(groups: Path) -> None:
    group(groups, "job/step", "max 100000\n")
    assert processors.free_processors() == 8
    group(groups, "job", "250000 100000\n")
    assert processors.free_processors() == 2
    group(groups, "job/step", "50000 100000\n")
    assert processors.free_processors() == 1
    group(groups, "job/step", "no number\n")
    assert processors.free_processors() == 2


def test_a_machine_without_control_groups_has_what_it_is_bound_to(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "MEMBERSHIP", groups / "none")
    assert processors.free_processors() == 8
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert processors.free_processors() == (os.cpu_count() or 1)


def test_no_more_threads_than_free_processors(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(groups, "job", "200000 100000\n")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        choose_device()
        assert torch.get_num_threads() == 4
        monkeypatch.delenv("OMP_NUM_THREADS")
        choose_device()
        assert torch.get_num_threads() == (4 if torch.cuda.is_available() else 2)
    finally:
        torch.set_num_threads(before)


def test_threads_that_wait_soon_sleep_unless_told_otherwise() -> None:
    code = (
        "import os, sys\nfrom asr.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print('spins', os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    own = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    for given, spins in ({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"):
        environment = {k: v for k, v in os.environ.items() if k not in own} | given
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.endswith(f"spins {spins} False\n")
