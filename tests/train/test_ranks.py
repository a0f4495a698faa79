"""One and two processes train on the same global batches."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from asr.train.checkpoint import load_newest
from asr.train.run import train

if TYPE_CHECKING:
    from conftest import TinyCorpus

SCRIPT = """
import pickle, sys, torch
from pathlib import Path
from asr.train.run import train
torch.set_num_threads(1)
config, manifests, tokens, stop = pickle.loads(Path(sys.argv[1]).read_bytes())
train(config, manifests, tokens, Path(sys.argv[2]), stop)
"""


def train_on_two(corpus: TinyCorpus, run_dir: Path, stop_after: int | None = None) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    script, settings = run_dir / "script.py", run_dir / "settings.pickle"
    script.write_text(SCRIPT)
    settings.write_bytes(pickle.dumps((corpus.config, corpus.manifests, corpus.tokens, stop_after)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(script), str(settings), str(run_dir)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def even(corpus: TinyCorpus) -> TinyCorpus:
    """Settings under which ranks compute the same numbers but for the order of sums.

    In the warm-up's 12 s the only micro-batch is cut between the ranks, so nothing may be random within one.
    A larger ε keeps Adam from making full steps of gradients that are 0 but for rounding, as a key's bias has.
    """
    model = dataclasses.replace(corpus.config.model, dropout=0.0, layerdrop=0.0)
    batch = dataclasses.replace(corpus.config.batch, max_device_seconds=12.0)
    optimizer = dataclasses.replace(corpus.config.optimizer, eps=1e-3)
    specaugment = dataclasses.replace(corpus.config.specaugment, start_hours=1e9)
    changed = {"model": model, "batch": batch, "optimizer": optimizer, "specaugment": specaugment}
    return dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, **changed))


def metrics(run_dir: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_one_and_two_ranks_agree_and_resume_each_other(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = even(tiny_corpus)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "one")
    train_on_two(corpus, tmp_path / "two")
    train_on_two(corpus, tmp_path / "mixed", stop_after=7)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "mixed")
    one, two, mixed = (load_newest(tmp_path / name / "checkpoints") for name in ("one", "two", "mixed"))
    assert one is not None
    for other in (two, mixed):
        assert other is not None
        assert other.step == one.step == 10
        assert other.state["labeled"] == one.state["labeled"]
        for kind in ("student", "teacher"):
            for name, tensor in one.tensors[kind].items():
                torch.testing.assert_close(other.tensors[kind][name], tensor, rtol=1e-3, atol=1e-5)
    for line, other_line in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert line["step"] == other_line["step"]
        if line["kind"] == "train":
            assert other_line["loss_labeled"] == pytest.approx(line["loss_labeled"], rel=1e-3)
            assert other_line["grad_norm"] == pytest.approx(line["grad_norm"], rel=1e-2)
