from __future__ import annotations

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish, no_file_over, start  # type: ignore[import-not-found]
from test_ranks import even, metrics  # type: ignore[import-not-found]
from torch.distributed.fsdp._fully_shard import _fsdp_param_group

from asr.checkpoint.checkpoint import load_newest
from asr.step import learner
from asr.step.clock import Clock
from asr.step.feeder import StepBatch
from asr.step.result import StepResult
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def of(corpus: TinyCorpus, engine: str) -> TinyCorpus:
    """With skipped blocks, and three micro-batches for two ranks in the warm-up."""
    base = even(corpus).config
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, dropout=0.1, layerdrop=0.5),
        batch=dataclasses.replace(base.batch, unit_seconds=4.0),
        train=dataclasses.replace(base.train, engine=engine),
    )
    return dataclasses.replace(corpus, config=config)


def test_sharded_training_is_that_of_whole_models_and_is_gone_on_from_with_any_engine(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    sharded, whole = of(tiny_corpus, "fsdp"), of(tiny_corpus, "ddp")
    finish(whole, tmp_path / "ddp", 2)
    finish(sharded, tmp_path / "fsdp", 2, stop_after=5)
    shutil.copytree(tmp_path / "fsdp", tmp_path / "then one", symlinks=True)
    # Whether parameters stay together through a step may change on the way.
    apart = dataclasses.replace(sharded.config.train, gather="pass")
    finish(dataclasses.replace(sharded, config=dataclasses.replace(sharded.config, train=apart)), tmp_path / "fsdp", 2)
    train(whole.config, whole.manifests, whole.tokens, tmp_path / "then one")
    ddp = load_newest(tmp_path / "ddp" / "checkpoints")
    assert ddp is not None
    for name in ("fsdp", "then one"):
        other = load_newest(tmp_path / name / "checkpoints")
        assert other is not None
        assert other.step == ddp.step == 10
        for kind, tensors in ddp.tensors.items():
            assert tensors.keys() == other.tensors[kind].keys()
            if kind == "optimizer":
                counts = {key: other.tensors[kind][key].item() for key in tensors if key.endswith(".step")}
                assert set(counts.values()) == {10.0}
                continue
            for key, tensor in tensors.items():
                torch.testing.assert_close(other.tensors[kind][key], tensor, rtol=1e-3, atol=1e-5, equal_nan=True)
    for line, sharded_line in zip(metrics(tmp_path / "ddp"), metrics(tmp_path / "fsdp"), strict=True):
        if line["kind"] == "train":
            assert sharded_line["loss_labeled"] == pytest.approx(line["loss_labeled"], rel=1e-3)
            assert sharded_line["grad_norm"] == pytest.approx(line["grad_norm"], rel=1e-2)
            assert sharded_line["labels_kept"] == line["labels_kept"]
        else:
            assert sharded_line["teacher"] == line["teacher"]


def _count_exchanges(path: Path) -> None:
    """Write micro-batches, gathers and reductions of each step, the rehearsal's aside."""
    found: list[list[int]] = []
    step = learner.Learner.step

    def counting(name: str, place: int) -> None:
        exchange = getattr(_fsdp_param_group, name)

        def called(*arguments: Any, **named: Any) -> Any:
            if found:
                found[-1][place] += 1
            return exchange(*arguments, **named)

        setattr(_fsdp_param_group, name, called)

    counting("foreach_all_gather", 1)
    counting("foreach_reduce", 2)

    def counted(self: learner.Learner, batch: StepBatch, clock: Clock) -> StepResult:
        found.append([len(batch.work), 0, 0])
        result = step(self, batch, clock)
        path.write_text(json.dumps(found))
        return result

    learner.Learner.step = counted  # type: ignore[method-assign]


@pytest.mark.parametrize("gather", ["step", "pass"])
def test_ranks_exchange_parameters_and_gradients_once_a_step(
    tiny_corpus: TinyCorpus, tmp_path: Path, gather: str
) -> None:
    corpus = of(tiny_corpus, "fsdp")
    settings = dataclasses.replace(
        corpus.config.train, gather=gather, evaluate_hours=0.0, checkpoint_hours=0.0, log_hours=1.0
    )
    corpus = dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, train=settings, batch_scale=2.0))
    counts = tmp_path / "counts.json"
    training = start(corpus, tmp_path / "run", 2, {0: partial(_count_exchanges, counts)}, stop_after=3)
    assert training.wait(90) == [0, 0], training.said()
    first, _, last = json.loads(counts.read_text())
    # Two blocks and what is around them; from the third step on the teacher's, too.
    if gather == "step":
        assert first[1:] == [3, 3]
        assert last[1:] == [6, 3]
    else:
        assert first[1] > 3 * first[0]
        assert first[2] == 3 * first[0]
    assert first[0] >= 3


def test_when_one_rank_finds_a_full_disk_all_say_so_and_the_checkpoint_before_is_gone_on_from(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    corpus = of(tiny_corpus, "fsdp")
    finish(corpus, tmp_path, 2, stop_after=3)
    training = start(corpus, tmp_path, 2, {1: no_file_over(10_000)})
    assert training.wait() == [2, 2]
    for rank in range(2):
        assert "cannot write the checkpoint (rank 1: [Errno 27]" in training.said(rank)
        assert "the one before it is intact" in training.said(rank)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"latest", "step-00000003"}
    finish(corpus, tmp_path, 2)


def test_what_sharding_cannot_do_is_said(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = of(tiny_corpus, "fsdp")
    scaling = dataclasses.replace(corpus.config.scaling, adascale=True)
    corpus = dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, scaling=scaling, batch_scale=4.0))
    training = start(corpus, tmp_path, 2)
    assert training.wait() == [2, 2]
    assert "fsdp does without" in training.said()
