"""A device that takes less at a time trains on the same global batches, and is the same run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish  # type: ignore[import-not-found]
from test_ranks import STEP_HOURS  # type: ignore[import-not-found]
from test_scaled_runs import measured  # type: ignore[import-not-found]

from asr.checkpoint.checkpoint import load_newest
from asr.config import Config
from asr.errors import UserError
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

LITTLE = 2.5
"""Seconds: an utterance, or two short ones, of micro-batches of 6."""


def settings(config: Config, **changes: dict[str, Any]) -> Config:
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **values) for name, values in changes.items()}
    )


def without_dropout(corpus: TinyCorpus, **changes: dict[str, Any]) -> TinyCorpus:
    """All else that is drawn at random stays: masks, warps, skipped blocks, moved positions.

    A larger ε keeps Adam from making full steps of gradients that are 0 but for rounding.
    """
    more = {"model": {"dropout": 0.0, "positions": "cape"}, "optimizer": {"eps": 1e-3}}
    more["specaugment"] = {"frequency_warp": 0.1, "time_stretch": 0.3}
    return dataclasses.replace(corpus, config=settings(settings(corpus.config, **more), **changes))


def on_a_small_device(corpus: TinyCorpus) -> TinyCorpus:
    return dataclasses.replace(corpus, config=settings(corpus.config, batch={"max_device_seconds": LITTLE}))


def run(corpus: TinyCorpus, folder: Path, stop_after: int | None = None) -> None:
    train(corpus.config, corpus.manifests, corpus.tokens, folder, stop_after)


def assert_equal_but_for_rounding(one: Path, other: Path) -> None:
    first, second = (load_newest(path / "checkpoints") for path in (one, other))
    assert first is not None
    assert second is not None
    assert first.step == second.step
    assert first.state["positions"] == second.state["positions"]
    for kind in ("student", "teacher"):
        for name, tensor in first.tensors[kind].items():
            torch.testing.assert_close(second.tensors[kind][name], tensor, rtol=1e-3, atol=5e-5)
    if "labels" in first.tensors:
        assert torch.equal(first.tensors["labels"]["row"], second.tensors["labels"]["row"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pseudo": {"cache_hours": 14.0 / 3600, "cache_turnover": 0.6, "best_share": 0.8}},
        {
            "pseudo": {"search": "sampled", "denominator": "kept"},
            "objective": {"consistency": 0.2, "soft_share": 0.3},
            "specaugment": {"time_stretch": 0.0},
        },
    ],
)
def test_a_run_goes_on_with_another_device_share_as_if_nothing_had_happened(
    tiny_corpus: TinyCorpus, tmp_path: Path, changes: dict[str, dict[str, Any]]
) -> None:
    corpus = without_dropout(tiny_corpus, **changes)
    run(corpus, tmp_path / "whole")
    run(corpus, tmp_path / "parts", stop_after=5)
    run(on_a_small_device(corpus), tmp_path / "parts")
    assert_equal_but_for_rounding(tmp_path / "whole", tmp_path / "parts")
    log = (tmp_path / "parts" / "train.log").read_text()
    assert "the run goes on with another batch.max_device_seconds None → 2.5\n" in log


def test_two_small_devices_train_as_one_large_one(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = without_dropout(tiny_corpus)
    run(corpus, tmp_path / "one")
    small = on_a_small_device(corpus)
    finish(small, tmp_path / "two", 2)
    assert_equal_but_for_rounding(tmp_path / "one", tmp_path / "two")
    sharded = dataclasses.replace(small, config=settings(small.config, train={"engine": "fsdp"}))
    finish(sharded, tmp_path / "sharded", 2)
    assert_equal_but_for_rounding(tmp_path / "one", tmp_path / "sharded")


def test_adascale_compares_whole_micro_batches_whatever_a_device_takes(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = without_dropout(tiny_corpus, schedule={"total_hours": 24 * STEP_HOURS})
    corpus = dataclasses.replace(corpus, config=measured(corpus.config, 2.0))
    run(corpus, tmp_path / "whole")
    run(on_a_small_device(corpus), tmp_path / "small")
    gains = [
        [json.loads(line).get("gain") for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "small")
    ]
    assert max(gain for gain in gains[0] if gain is not None) < 2
    assert [gain for gain in gains[1] if gain] == pytest.approx([gain for gain in gains[0] if gain], rel=1e-2)


def test_a_run_is_not_gone_on_with_under_other_scientific_settings(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run(tiny_corpus, tmp_path, stop_after=3)
    other = dataclasses.replace(tiny_corpus, config=settings(tiny_corpus.config, optimizer={"lr": 0.5}))
    with pytest.raises(UserError, match=r"step 3: was trained with other settings \(optimizer\.lr 0\.001 → 0\.5\)"):
        run(other, tmp_path)
