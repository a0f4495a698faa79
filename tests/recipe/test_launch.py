from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asr.recipe.launch import PREEMPTED, supervise

ROOT = Path(__file__).parents[2]

WORKER = """
import os, signal, sys, time
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
print("up", flush=True)
if sys.argv[1].isdigit():
    sys.exit(int(sys.argv[1]))
if sys.argv[1] == "die":
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "1":
        sys.exit(0)
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    while not stopped:
        time.sleep(0.05)
    sys.exit(1)
open(f"{sys.argv[1]}/{os.environ['RANK']}-{os.getpid()}", "w").close()
while not stopped:
    time.sleep(0.05)
sys.exit(75)
"""


def launch(script: Path, argument: str, *options: str) -> list[str]:
    torchrun = [sys.executable, "-m", "asr.recipe.launch", "--standalone", "--nproc-per-node=2", *options]
    return [*torchrun, str(script), argument]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    return path


def test_the_exit_code_is_that_of_the_workers_without_a_traceback(script: Path) -> None:
    done = subprocess.run(launch(script, "2"), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    # One worker may end before the other is up.
    assert 1 <= done.stdout.count("up") <= 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("restarts", "code"), [(0, 128 + signal.SIGKILL), (1, 0)])
def test_when_a_worker_is_killed_the_others_are_stopped_and_all_start_again_if_they_may(
    script: Path, restarts: int, code: int
) -> None:
    command = launch(script, "die", f"--max-restarts={restarts}")
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == code, done.stderr
    assert 1 + 2 * restarts <= done.stdout.count("up") <= 2 + 2 * restarts


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_signal_to_the_recipe_alone_reaches_the_workers_and_leaves_none_behind(script: Path, tmp_path: Path) -> None:
    workers = tmp_path / "workers"
    workers.mkdir()
    code = "import sys; from asr.recipe.launch import supervise; sys.exit(supervise(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *launch(script, str(workers))]
    recipe = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while len(list(workers.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        ids = [int(p.name.partition("-")[2]) for p in workers.iterdir()]
        assert len(ids) == 2
        recipe.terminate()
        assert recipe.wait(40) == PREEMPTED
        assert not [i for i in ids if alive(i)]
    finally:
        recipe.kill()


def test_a_command_without_trouble_keeps_its_exit_code() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert supervise([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert signal.getsignal(signal.SIGTERM) is before
