"""Losses of the first 20 steps, written down: a change that is claimed to be neutral leaves them alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

LABELED = [154.42, 144.59, 117.98, 132.58, 112.25, 97.38, 110.79, 90.71, 86.57, 86.51]
UNLABELED = [95.01, 94.45, 54.56, 71.67, 115.65]


def test_the_first_20_steps_have_the_losses_they_always_had(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    step = 12.0 / 3600
    config = dataclasses.replace(
        tiny_corpus.config,
        schedule=dataclasses.replace(tiny_corpus.config.schedule, total_hours=20 * step),
        pseudo=dataclasses.replace(tiny_corpus.config.pseudo, start_hours=10 * step),
    )
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["kind"] == "train"]
    # Other processors sum in another order; what is drawn at random is the same everywhere.
    assert [line["loss_labeled"] for line in lines] == pytest.approx(LABELED, rel=1e-2)
    assert [line["loss_unlabeled"] for line in lines[5:]] == pytest.approx(UNLABELED, rel=5e-2)
