from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from asr.checkpoint.checkpoint import load_newest
from asr.config import ModelConfig
from asr.model import compiled
from asr.model.encoder import Encoder, Regularizer
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


class Backend:
    """Runs graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _: Any) -> Any:
        self.graphs += 1
        return graph.forward


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    made = Backend()
    monkeypatch.setattr(compiled, "BACKEND", made)
    torch._dynamo.reset()
    return made


def test_blocks_share_one_graph_and_compute_what_they_did(backend: Backend) -> None:
    config = ModelConfig(layers=3, width=32, heads=2, feedforward=48)
    models = [Encoder(8, 5, config) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    compiled.compile_blocks(models[1])
    assert models[1].state_dict().keys() == models[0].state_dict().keys()
    features, frames = torch.randn(2, 48, 8), torch.tensor([48, 31])
    found = []
    for model in models:
        log_probs = model(features, frames, Regularizer(0.0, 0.0, np.random.default_rng(0))).log_probs
        log_probs.square().mean().backward()
        found.append((log_probs, [p.grad for p in model.parameters()]))
    torch.testing.assert_close(found[1][0], found[0][0])
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)
    assert backend.graphs == 1


def test_a_compiled_run_is_that_without_and_its_checkpoint_is_any_run_s(
    tiny_corpus: TinyCorpus, tmp_path: Path, backend: Backend
) -> None:
    base = tiny_corpus.config
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, dropout=0.0, layerdrop=0.0),
        pseudo=dataclasses.replace(base.pseudo, labels="none"),
        train=dataclasses.replace(base.train, checkpoint_hours=12.0 / 3600, log_hours=12.0 / 3600),
    )
    compiling = dataclasses.replace(config, train=dataclasses.replace(config.train, compile=True))
    for name, settings in (("plain", config), ("compiled", compiling)):
        train(settings, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / name, stop_after=2)
    assert backend.graphs > 0
    plain, other = (load_newest(tmp_path / name / "checkpoints") for name in ("plain", "compiled"))
    assert plain is not None
    assert other is not None
    for kind, tensors in plain.tensors.items():
        assert tensors.keys() == other.tensors[kind].keys()
    lines = [
        [json.loads(line)["loss_labeled"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("plain", "compiled")
    ]
    assert lines[1] == pytest.approx(lines[0], rel=1e-5)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "compiled", stop_after=3)
