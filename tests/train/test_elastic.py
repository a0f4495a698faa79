"""torchrun on two machines, both of them this one, with a process of one killed. Minutes: with `ASR_ELASTIC=1` only."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from processes import finish  # type: ignore[import-not-found]
from test_kill import outcome  # type: ignore[import-not-found]

from asr.config_file import dump_config

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

ROOT = Path(__file__).parents[2]
STEPS = 60


@pytest.mark.skipif("ASR_ELASTIC" not in os.environ, reason="takes minutes: ASR_ELASTIC=1 runs it")
def test_two_machines_go_on_when_a_process_of_one_was_killed_and_end_with_the_same_bits(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    hours = STEPS * tiny_corpus.config.batch.base_seconds / 3600
    schedule = dataclasses.replace(tiny_corpus.config.schedule, total_hours=hours)
    corpus = dataclasses.replace(tiny_corpus, config=dataclasses.replace(tiny_corpus.config, schedule=schedule))
    finish(corpus, tmp_path / "whole", 2)

    run_dir, settings = tmp_path / "run", tmp_path / "settings.yaml"
    settings.write_text(dump_config(corpus.config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    # More than one: new processes can meet with addresses of the dead, and fail once more.
    launch = [sys.executable, "-m", "asr.recipe.launch", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=9"]
    meet = ["--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", "--rdzv-id=test"]
    places = ["--manifests", str(corpus.manifests), "--tokens", str(corpus.tokens), "--run-dir", str(run_dir)]
    command = [*launch, *meet, "-m", "asr", "train", str(settings), *places]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    output = (tmp_path / "output").open("w")
    machines = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT) for _ in "12"
    ]
    try:
        until = time.monotonic() + 100
        while not (run_dir / "checkpoints" / "latest").exists() and time.monotonic() < until:
            time.sleep(0.01)
        (worker,) = Path(f"/proc/{machines[1].pid}/task/{machines[1].pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        assert not (run_dir / "complete.json").exists()
        assert [machine.wait(250) for machine in machines] == [0, 0], (tmp_path / "output").read_text()
    finally:
        for machine in machines:
            machine.kill()
        output.close()
    assert "going on from step" in (tmp_path / "output").read_text()
    expected, found = outcome(tmp_path / "whole"), outcome(run_dir)
    assert [name for name in expected | found if expected.get(name) != found.get(name)] == []
