from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from asr.checkpoint.checkpoint import load_newest
from asr.decode.greedy import pack_best
from asr.errors import UserError
from asr.pseudo import teacher
from asr.train import metrics
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def only_blanks(log_probs: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_best(log_probs, lengths)
    packed[:, :-2] = 0
    return packed


def runaway(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Another token in every frame."""
    packed = pack_best(log_probs, lengths)
    packed[:, :-2] = torch.arange(packed.shape[1] - 2) % 20 + 3
    return packed


@pytest.mark.parametrize(
    ("collapsed", "said"), [(only_blanks, "100% of them are empty"), (runaway, "times as many tokens a second")]
)
@pytest.mark.parametrize("search", ["greedy", "sampled"])
def test_a_teacher_that_has_collapsed_stops_training_with_a_checkpoint_or_is_warned_of(
    tiny_corpus: TinyCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    collapsed: object,
    said: str,
    search: str,
) -> None:
    monkeypatch.setattr(teacher, "pack_best", collapsed)
    monkeypatch.setattr(teacher, "pack_sampled", lambda log_probs, lengths, *_: collapsed(log_probs, lengths))  # type: ignore[operator]
    monkeypatch.setattr(metrics, "FEWEST", 3)
    pseudo = dataclasses.replace(tiny_corpus.config.pseudo, search=search, collapse="stop")
    config = dataclasses.replace(tiny_corpus.config, pseudo=pseudo)
    with pytest.raises(UserError, match=f"{said}.*a checkpoint is saved"):
        train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "stop")
    checkpoint = load_newest(tmp_path / "stop" / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.step == 6
    warned = dataclasses.replace(config, pseudo=dataclasses.replace(pseudo, collapse="warn"))
    capsys.readouterr()
    train(warned, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "warn")
    assert said in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "warn" / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["kind"] == "train"][-1]
    assert last["labels_empty"] == (1 if collapsed is only_blanks else 0)
    assert last["label_rate"] == 0 or last["label_rate"] > 3
