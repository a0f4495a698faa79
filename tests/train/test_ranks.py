"""One and two processes train on the same global batches."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from processes import finish  # type: ignore[import-not-found]

from asr.checkpoint.checkpoint import load_newest
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

STEP_HOURS = 12.0 / 3600


def even(corpus: TinyCorpus) -> TinyCorpus:
    """Settings under which ranks compute the same numbers but for the order of sums.

    In the warm-up's 12 s the only micro-batch is cut between the ranks, so nothing may be random within one.
    A larger ε keeps Adam from making full steps of gradients that are 0 but for rounding, as a key's bias has.
    """
    model = dataclasses.replace(corpus.config.model, dropout=0.0, layerdrop=0.0)
    batch = dataclasses.replace(corpus.config.batch, unit_seconds=14.0)
    optimizer = dataclasses.replace(corpus.config.optimizer, eps=1e-3)
    specaugment = dataclasses.replace(corpus.config.specaugment, start_hours=1e9)
    changed = {"model": model, "batch": batch, "optimizer": optimizer, "specaugment": specaugment}
    return dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, **changed))


def metrics(run_dir: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def long(corpus: TinyCorpus) -> TinyCorpus:
    """50 steps, 46 of them with pseudo-labels, and 25 epochs of the labeled audio."""
    schedule = dataclasses.replace(corpus.config.schedule, total_hours=50 * STEP_HOURS)
    settings = dataclasses.replace(
        corpus.config.train, evaluate_hours=25 * STEP_HOURS, checkpoint_hours=30 * STEP_HOURS
    )
    return dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, schedule=schedule, train=settings))


def test_one_and_two_ranks_agree_after_50_steps_and_resume_each_other(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = long(even(tiny_corpus))
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "one")
    finish(corpus, tmp_path / "two", 2)
    # Their checkpoint is of step 30: with two ranks until there, then with one.
    finish(corpus, tmp_path / "mixed", 2, stop_after=33)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "mixed")
    one, two, mixed = (load_newest(tmp_path / name / "checkpoints") for name in ("one", "two", "mixed"))
    assert one is not None
    for other in (two, mixed):
        assert other is not None
        assert other.step == one.step == 50
        assert other.state["positions"] == one.state["positions"]
        for kind in ("student", "teacher"):
            for name, tensor in one.tensors[kind].items():
                torch.testing.assert_close(other.tensors[kind][name], tensor, rtol=1e-3, atol=5e-5)
    for line, other_line in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert line["step"] == other_line["step"]
        if line["kind"] == "train":
            assert other_line["loss_labeled"] == pytest.approx(line["loss_labeled"], rel=1e-3)
            assert other_line["grad_norm"] == pytest.approx(line["grad_norm"], rel=1e-2)


def test_a_filled_cache_goes_on_with_another_number_of_ranks(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = even(tiny_corpus)
    pseudo = dataclasses.replace(
        corpus.config.pseudo, start_hours=0.0, cache_hours=14.0 / 3600, cache_turnover=0.6, best_share=0.8
    )
    corpus = dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, pseudo=pseudo))
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "one")
    # Their checkpoints are of steps 6 and 9: the cache is full by then.
    finish(corpus, tmp_path / "mixed", 2, stop_after=7)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "mixed", stop_after=9)
    finish(corpus, tmp_path / "mixed", 3)
    one, mixed = (load_newest(tmp_path / name / "checkpoints") for name in ("one", "mixed"))
    assert one is not None
    assert mixed is not None
    assert mixed.state["positions"] == one.state["positions"]
    assert len(one.state["positions"]["slots"]) == 2
    for name in ("row", "hour", "maker", "tokens"):
        assert torch.equal(mixed.tensors["labels"][name], one.tensors["labels"][name]), name
    for name, tensor in one.tensors["student"].items():
        torch.testing.assert_close(mixed.tensors["student"][name], tensor, rtol=1e-3, atol=5e-5)


def test_three_ranks_that_were_stopped_end_with_the_same_bits(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """From three on, the order of an all-reduce's sums depends on how gradients lie in its buckets."""
    model = dataclasses.replace(tiny_corpus.config.model, layers=3, width=128, feedforward=256, layerdrop=0.5)
    batch = dataclasses.replace(tiny_corpus.config.batch, unit_seconds=3.0)
    corpus = dataclasses.replace(tiny_corpus, config=dataclasses.replace(tiny_corpus.config, model=model, batch=batch))
    finish(corpus, tmp_path / "whole", 3, stop_after=9)
    finish(corpus, tmp_path / "parts", 3, stop_after=4)
    finish(corpus, tmp_path / "parts", 3, stop_after=9)
    whole, parts = (load_newest(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert whole.state == parts.state
    for kind, tensors in whole.tensors.items():
        # A label that is an utterance's first has no churn, which is NaN.
        other = parts.tensors[kind]
        assert [n for n, tensor in tensors.items() if tensor.numpy().tobytes() != other[n].numpy().tobytes()] == []
