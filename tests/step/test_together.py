from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from asr.checkpoint.checkpoint import load_newest
from asr.config import BatchConfig, Config, ModelConfig
from asr.data.batching import MicroBatch
from asr.model.encoder import Heard
from asr.objective.objective import Inputs
from asr.step import together
from asr.step.feeder import Work
from asr.step.together import join, neighbours, passes, split
from asr.train.run import train

if TYPE_CHECKING:
    from pathlib import Path

    from tiny_corpus import TinyCorpus


def work(utterances: int, frames: int) -> Work:
    return Work(0, "text", MicroBatch(np.arange(utterances), frames), [np.zeros(0, dtype=np.int16)] * utterances)


def test_neighbours_share_a_pass_up_to_a_number_of_frames_and_where_little_is_padded() -> None:
    works = [work(2, 96), work(3, 96), work(1, 96), work(1, 192), work(0, 192)]
    assert neighbours(works, [0, 1, 2], 5 * 96) == [[0, 1], [2]]
    assert neighbours(works, [0, 2], 10**6) == [[0, 2]]
    # Four times 192 frames for 3 · 96 + 192 would be more than a quarter more.
    assert neighbours(works, [1, 3], 10**6) == [[1], [3]]
    # A rank without an utterance takes a silent one.
    assert neighbours(works, [3, 4], 2 * 192) == [[3, 4]]
    assert neighbours(works, [0, 1], 0) == [[0], [1]]
    assert neighbours(works, [], 96) == []


def test_a_rehearsal_takes_all_at_once_and_draws_for_a_whole_micro_batch_keep_it_apart() -> None:
    whole = Config(model=ModelConfig(layerdrop=0.0), batch=BatchConfig(unit_seconds=1.0))
    works = [work(1, 96), work(1, 192)]
    assert passes(works, [0, 1], whole, 0.0) == [[0], [1]]
    assert passes([dataclasses.replace(one, worst=True) for one in works], [0, 1], whole, 0.0) == [[0, 1]]
    roomy = dataclasses.replace(whole, batch=BatchConfig(unit_seconds=60.0))
    assert passes([works[0], works[0]], [0, 1], roomy, 0.0) == [[0, 1]]
    dropping = dataclasses.replace(roomy, model=ModelConfig(layerdrop=0.1))
    assert passes([works[0], works[0]], [0, 1], dropping, 0.0) == [[0], [1]]
    shifting = dataclasses.replace(roomy, model=ModelConfig(layerdrop=0.0, positions="cape"))
    assert passes([works[0], works[0]], [0, 1], shifting, 0.0) == [[0], [1]]


def test_parts_are_had_back_as_they_were_before_the_longest_was_padded_to() -> None:
    parts = [
        Inputs(torch.full((copies, frames, 2), value), torch.full((copies,), frames), torch.full((copies,), frames))
        for copies, frames, value in ((2, 4, 1.0), (4, 7, 2.0))
    ]
    features, frames = join(parts)
    assert features.shape == (6, 7, 2)
    assert frames.tolist() == [4, 4, 7, 7, 7, 7]
    assert features[0, 4:].abs().sum() == 0
    # An encoder of stride 3.
    heard = Heard(features[:, ::3], (frames + 2) // 3, (features[:, ::3],))
    one, two = split(heard, parts, 3)
    assert torch.equal(one.log_probs, torch.full((2, 2, 2), 1.0))
    assert torch.equal(two.log_probs, torch.full((4, 3, 2), 2.0))
    assert (one.lengths.tolist(), two.lengths.tolist()) == ([2, 2], [3, 3, 3, 3])
    assert torch.equal(two.intermediate[0], two.log_probs)
    assert one.top.numel() == 0


@pytest.mark.parametrize("consistency", [0.0, 0.2])
def test_a_run_learns_the_same_whether_its_micro_batches_go_together_or_apart(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consistency: float
) -> None:
    config = dataclasses.replace(
        tiny_corpus.config,
        model=dataclasses.replace(tiny_corpus.config.model, dropout=0.0, layerdrop=0.0),
        objective=dataclasses.replace(tiny_corpus.config.objective, consistency=consistency),
        batch=dataclasses.replace(tiny_corpus.config.batch, unit_seconds=60.0),
    )
    groups: list[int] = []

    def watched(works: list[Work], places: list[int], most: int) -> list[list[int]]:
        found = neighbours(works, places, most)
        groups.extend(map(len, found))
        return found

    monkeypatch.setattr(together, "neighbours", watched)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "together")
    assert max(groups) > 1
    monkeypatch.setattr(together, "neighbours", lambda works, places, _: neighbours(works, places, 0))
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "apart")
    one, other = (load_newest(tmp_path / name / "checkpoints") for name in ("together", "apart"))
    assert one is not None
    assert other is not None
    for name, tensor in one.tensors["student"].items():
        torch.testing.assert_close(other.tensors["student"][name], tensor, rtol=1e-3, atol=5e-5)
