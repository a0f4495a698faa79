"""The example for Slurm, on a machine where srun and scontrol only note what they are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "recipes" / "librispeech" / "train.sbatch"

SRUN = """#!/bin/bash
echo "srun ${PET_NNODES:-alone} $*" >> "$LOG"
[[ "$*" == *"--stage 3"* ]] || exit 0
[[ $CODE == wait ]] || exit "$CODE"
trap 'echo "signalled" >> "$LOG"; exit 75' USR1
echo ready >> "$LOG"
for _ in $(seq 300); do sleep 0.1; done
"""
SCONTROL = """#!/bin/bash
[[ $1 == show ]] && { echo first; echo second; exit 0; }
echo "scontrol $*" >> "$LOG"
"""


def machine(folder: Path, code: str, restarts: int = 0) -> dict[str, str]:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "48",
    }
    mine = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log"), "CODE": code}
    return os.environ | slurm | mine | {"SLURM_RESTART_COUNT": str(restarts)}


@pytest.mark.parametrize(
    ("code", "restarts", "last", "ends"),
    [
        ("0", 0, "--nodes=1 --ntasks=1 ./run.sh --corpus librispeech --batch-scale 8 --stage 4", 0),
        ("2", 0, "--stage 3", 2),
        ("75", 0, "scontrol requeue 7", 0),
        ("137", 3, "scontrol requeue 7", 0),
        ("137", 20, "--stage 3", 137),
    ],
)
def test_the_job_goes_on_ends_or_queues_up_again_by_the_exit_code(
    tmp_path: Path, code: str, restarts: int, last: str, ends: int
) -> None:
    done = subprocess.run(["bash", SCRIPT], env=machine(tmp_path, code, restarts), capture_output=True, text=True)
    assert done.returncode == ends, done.stderr
    calls = (tmp_path / "log").read_text().splitlines()
    assert "--stop-stage 2" in calls[0]
    assert calls[1].startswith("srun 2 ")
    assert all(" --cpus-per-task=48 " in call for call in calls if call.startswith("srun"))
    assert last in calls[-1]


def test_slurm_s_signal_reaches_training_and_the_job_queues_up_again(tmp_path: Path) -> None:
    job = subprocess.Popen(["bash", SCRIPT], env=machine(tmp_path, "wait"))
    log, until = tmp_path / "log", time.monotonic() + 20
    while time.monotonic() < until and not (log.exists() and "ready" in log.read_text()):
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 0
    assert (tmp_path / "log").read_text().splitlines()[-2:] == ["signalled", "scontrol requeue 7"]


def test_shellcheck_has_nothing_to_say_about_it() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
