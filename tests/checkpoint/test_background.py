from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from asr.checkpoint.background import Background
from asr.checkpoint.checkpoint import Checkpoint, load_newest, save_checkpoint
from asr.checkpoint.copies import Copies
from asr.errors import UserError
from asr.step.learner import Learner
from asr.train import keeper
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

STEP_HOURS = 12.0 / 3600


def test_one_thing_is_done_at_a_time_and_what_goes_wrong_is_raised_once() -> None:
    done: list[int] = []
    go = threading.Event()

    def first() -> None:
        go.wait(10)
        done.append(1)
        raise UserError("no room")

    one = Background()
    one.begin(first)
    one.check()
    go.set()
    with pytest.raises(UserError, match="no room"):
        one.begin(lambda: done.append(2))
    one.begin(lambda: done.append(3))
    one.wait()
    one.check()
    one.close()
    assert done == [1, 3]


def test_copies_are_of_their_time_and_take_up_the_memory_of_those_before() -> None:
    copies, weights = Copies(), torch.ones(3, 2).T
    first = copies.take({"student": {"w": weights}})["student"]["w"]
    weights += 1
    assert first.eq(1).all()
    second = copies.take({"student": {"w": weights}, "labels": {"row": torch.arange(4)}})
    assert second["student"]["w"].data_ptr() == first.data_ptr()
    assert torch.equal(second["student"]["w"], weights)
    third = copies.take({"labels": {"row": torch.arange(5)}})
    assert third.keys() == {"labels"}
    assert third["labels"]["row"].tolist() == [0, 1, 2, 3, 4]


def test_training_goes_on_while_a_checkpoint_is_written_and_it_holds_what_was_then(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(tiny_corpus.config.train, checkpoint_hours=2 * STEP_HOURS)
    config = dataclasses.replace(tiny_corpus.config, train=settings)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "plain", stop_after=2)
    moved = threading.Event()
    step, steps = Learner.step, 0

    def stepping(self: Learner, *arguments: Any) -> Any:
        nonlocal steps
        result = step(self, *arguments)
        steps += 1
        if steps == 3:
            moved.set()
        return result

    def late(folder: Path, checkpoint: Checkpoint) -> Path:
        assert moved.wait(60), "training waits for the checkpoint"
        return save_checkpoint(folder, checkpoint)

    monkeypatch.setattr(Learner, "step", stepping)
    monkeypatch.setattr(keeper, "save_checkpoint", late)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "late", stop_after=3)
    states = [(tmp_path / name / "checkpoints" / "latest" / "state.json").read_bytes() for name in ("plain", "late")]
    # Digests of all tensors are part of it.
    assert states[0] == states[1]


def test_a_writer_s_error_ends_the_run_at_the_next_step(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UserError("cannot write")

    settings = dataclasses.replace(tiny_corpus.config.train, checkpoint_hours=STEP_HOURS)
    config = dataclasses.replace(tiny_corpus.config, train=settings)
    monkeypatch.setattr(keeper, "save_checkpoint", full)
    with pytest.raises(UserError, match="cannot write"):
        train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert max((json.loads(line)["step"] for line in lines), default=0) <= 2


def test_checkpoints_that_come_too_soon_are_left_out_but_for_the_last(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    settings = dataclasses.replace(tiny_corpus.config.train, checkpoint_minutes=60.0, keep_last=5)
    config = dataclasses.replace(tiny_corpus.config, train=settings)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    newest = load_newest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.step == 10
    assert len(list((tmp_path / "checkpoints").glob("step-*"))) == 1
