"""Killed at any point and started again, a run ends with the bits of one that was left alone.

`ASR_KILLS=300 pytest tests/train/test_kill.py` kills 300 times with one process, and 100 times with two.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from processes import count_lines, finish, signal_in, start  # type: ignore[import-not-found]

from asr.checkpoint.checkpoint import load_newest

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

KILLS = int(os.environ.get("ASR_KILLS", "5"))
A_ROW = 3
"""Kills of one run, one after the other, before it is left to end."""
SENSITIVE = (
    "_complete",
    "write_whole",
    "move_teacher",
    "Decoder.texts",
    "prune_checkpoints",
    "Learner._accumulate",
    "Planner.steps",
    "MetricsFile.write",
    "Learner._move",
    "Loop._evaluate",
    "_flush",
    "_delete",
    "Loop._log",
    "LabelStore.put",
    "PseudoLabels.take_up",
)
"""Functions that are killed in first; then any others, at random."""
BEFORE_RANKS_MEET = {"train", "join_ranks", "stop_requests"}
"""Of several ranks none is killed in these and what they define: others wait for one that dies before they meet it,
until the launcher ends them."""


@pytest.fixture(scope="module")
def corpus(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    """With accumulation, the switch to pseudo-labels at step 4, their cache, and an utterance that cannot be read."""
    folder = tmp_path_factory.mktemp("kill")
    manifests = folder / "manifests"
    shutil.copytree(tiny_corpus.manifests, manifests)
    rows = (manifests / "unlabeled.jsonl").read_text().splitlines()
    rows[0] = json.dumps(json.loads(rows[0]) | {"audio_filepath": str(folder / "gone.flac")})
    (manifests / "unlabeled.jsonl").write_text("\n".join(rows) + "\n")
    config = dataclasses.replace(
        tiny_corpus.config,
        train=dataclasses.replace(tiny_corpus.config.train, checkpoint_hours=2 * 12.0 / 3600),
        pseudo=dataclasses.replace(tiny_corpus.config.pseudo, cache_hours=10.0 / 3600, cache_turnover=0.5),
    )
    return dataclasses.replace(tiny_corpus, manifests=manifests, config=config)


def outcome(run_dir: Path) -> dict[str, bytes]:
    """Every bit of a finished run but the times in its log."""
    files = {str(p.relative_to(run_dir)): p.read_bytes() for p in run_dir.glob("checkpoints/step-*/*")}
    files["latest"] = os.fsencode(os.readlink(run_dir / "checkpoints" / "latest"))  # noqa: PTH115
    return files | {name: (run_dir / name).read_bytes() for name in ("metrics.jsonl", "complete.json")}


@pytest.mark.parametrize(("world_size", "kills"), [(1, KILLS), (2, max(2, KILLS // 3))])
def test_a_run_that_is_killed_at_any_point_ends_with_the_same_bits(
    corpus: TinyCorpus, tmp_path: Path, world_size: int, kills: int
) -> None:
    counts = tmp_path / "lines.json"
    whole = start(corpus, tmp_path / "whole", world_size, {0: count_lines(counts)})
    assert whole.wait() == [0] * world_size, whole.said()
    begun, ended = (tmp_path / "whole" / name for name in ("config.yaml", "complete.json"))
    seconds = ended.stat().st_mtime - begun.stat().st_mtime
    expected = outcome(tmp_path / "whole")
    assert len(expected) == 3 * 5 + 3
    lines: dict[str, int] = json.loads(counts.read_text())
    if world_size > 1:
        lines = {name: n for name, n in lines.items() if name.partition(".")[0] not in BEFORE_RANKS_MEET}
    assert set(lines) >= set(SENSITIVE)
    rng = np.random.default_rng(KILLS + world_size)
    functions = [*SENSITIVE[world_size - 1 :: 2], *SENSITIVE[2 - world_size :: 2]]
    run_dir, killed, tried = tmp_path / "run-0", 0, 0
    while killed < kills:
        assert tried < 3 * kills + 20, "runs end before they can be killed"
        dying = int(rng.integers(world_size))
        if tried % 4 == 3:
            said = run_dir / "output-0"
            said.unlink(missing_ok=True)
            training = start(corpus, run_dir, world_size)
            # Ranks have met once the first one speaks; one that dies before is the launcher's to mind.
            while not (said.exists() and said.stat().st_size) and training.processes[0].is_alive():
                time.sleep(0.01)
            time.sleep(rng.uniform(0, seconds))
            training.processes[dying].kill()
        else:
            function = functions[tried] if tried < len(functions) else str(rng.choice(list(lines)))
            line = int(rng.integers(lines[function])) + 1
            training = start(corpus, run_dir, world_size, {dying: signal_in(signal.SIGKILL, function, line)})
        codes = training.wait()
        tried += 1
        assert None not in codes, f"a rank outlived the other by a minute: {codes}, {tried}, {training.said(0)}"
        assert codes[dying] in (-signal.SIGKILL, 0), training.said(dying)
        killed += codes[dying] != 0
        if codes[dying] == 0 or killed % A_ROW == 0 or killed == kills:
            finish(corpus, run_dir, world_size)
            found = outcome(run_dir)
            assert [name for name in expected | found if expected.get(name) != found.get(name)] == []
            shutil.rmtree(run_dir)
            run_dir = tmp_path / f"run-{tried}"


def test_the_run_that_is_killed_meets_with_all_that_the_test_promises(corpus: TinyCorpus, tmp_path: Path) -> None:
    finish(corpus, tmp_path)
    checkpoint = load_newest(tmp_path / "checkpoints")
    assert checkpoint is not None
    assert set(checkpoint.tensors) == {"student", "teacher", "optimizer", "labels"}
    assert checkpoint.state["positions"]["started"]
    assert len(checkpoint.tensors["labels"]["row"]) > 1
    assert list(checkpoint.state["unreadable"]) == ["b-0"]
    plan = {row["name"]: row["base"] for row in json.loads((tmp_path / "plan.json").read_text())["rows"]}
    assert plan["micro-batches, warm-up"] == 2
