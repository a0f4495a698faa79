from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from asr.config import Config, SpecAugmentConfig
from asr.objective.augment import augment
from asr.objective.ctc import needed_frames

ALONE = SpecAugmentConfig(frequency_masks=0, time_masks=0, start_hours=0.0, time_stretch=0.4)
CONFIG = dataclasses.replace(Config(), specaugment=ALONE)
COUNTS = [96, 90, 45]
TARGETS = [[1, 2], list(range(1, 30)), [3]]
"""The second one has a frame for each of its tokens, and one to spare: it must not be heard any faster."""


def heard(rows: list[int], seed: int) -> list[tuple[int, torch.Tensor]]:
    features = torch.randn(3, 96, 80, generator=torch.Generator().manual_seed(0))
    features *= (torch.arange(96) < torch.tensor(COUNTS)[:, None])[:, :, None]
    counts = [COUNTS[row] for row in rows]
    inputs = augment(
        (features[rows], torch.tensor(counts)),
        counts,
        [TARGETS[row] for row in rows],
        CONFIG,
        0.0,
        np.random.default_rng(seed),
        views=1,
    )
    assert torch.equal(inputs.counts, inputs.frames)
    for row, count in zip(inputs.features, inputs.counts.tolist(), strict=True):
        assert not row[count:].any()
    return [(count, row[:count]) for row, count in zip(inputs.features, inputs.counts.tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_an_utterance_s_speed_depends_on_no_other_and_leaves_room_for_its_text(seed: int) -> None:
    whole = heard([0, 1, 2], seed)
    parts = [*heard([0], seed), *heard([1, 2], seed)]
    for (count, row), (other_count, other) in zip(whole, parts, strict=True):
        assert count == other_count
        assert torch.equal(row, other)
    for (count, _), target in zip(whole, TARGETS, strict=True):
        assert count >= CONFIG.model.stride * needed_frames(target)
    faster = whole[0][0] < 96
    assert whole[1][0] == 90 if faster else whole[1][0] >= 90
