"""What is said in a frame, and the linear rule that is to find it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from asr.train.discriminant import Discriminant
from asr.train.flat_start import Alignment, likeliest_path, share_evenly

SILENCE = 0


def said(tokens: Sequence[int], rng: np.random.Generator) -> list[int]:
    """The class of each frame: every token lasts 2 to 6 frames, and silence may lie around."""
    around = rng.integers(0, 5, 2)
    spoken = [token for token in tokens for _ in range(rng.integers(2, 7))]
    return [SILENCE] * around[0] + spoken + [SILENCE] * around[1]


def test_classes_of_one_covariance_are_told_apart_as_well_as_they_can_be() -> None:
    torch.manual_seed(0)
    classes = torch.randint(0, 3, (6000,))
    means, mixing = (
        torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]]),
        torch.tensor([[1.0, 0, 0], [0.9, 0.5, 0], [0, 0, 3]]),
    )
    vectors = means[classes] + torch.randn(6000, 3) @ mixing
    rule = Discriminant(vectors[:4000], classes[:4000], 5, shrinkage=0.0)
    found = rule.classify(vectors[4000:])
    precision = torch.linalg.inv(mixing.T @ mixing)
    distance = [((vectors[4000:] - mean) @ precision * (vectors[4000:] - mean)).sum(1) for mean in means]
    best = torch.stack(distance).argmin(0)
    assert (found == best).double().mean() > 0.98
    # Classes that nothing was of are never found.
    assert set(found.tolist()) <= {0, 1, 2}


def test_what_is_seen_more_often_is_found_where_nothing_else_tells() -> None:
    rule = Discriminant(torch.zeros(5, 2), torch.tensor([1, 1, 1, 0, 0]), 3)
    assert rule.classify(torch.randn(4, 2)).tolist() == [1, 1, 1, 1]


def test_the_likeliest_path_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.normal(size=(6, 4))
        tokens = rng.integers(1, 4, 3).tolist()
        path = likeliest_path(scores, tokens, SILENCE)
        best = -np.inf
        states = [SILENCE, *tokens, SILENCE]
        for first in range(2):
            for steps in np.ndindex(*(5 * (2,))):
                at = first + np.concatenate(([0], np.cumsum(steps)))
                if at[-1] in (len(states) - 2, len(states) - 1):
                    best = max(best, float(sum(scores[frame, states[state]] for frame, state in enumerate(at))))
        assert sum(scores[np.arange(6), path]) == pytest.approx(best)


def test_frames_are_shared_out_evenly() -> None:
    assert share_evenly(7, [5, 6, 7]).tolist() == [5, 5, 5, 6, 6, 7, 7]
    assert likeliest_path(np.zeros((2, 3)), [1, 2], SILENCE).tolist() == [1, 2]


def test_a_flat_start_finds_what_is_said_in_nearly_every_frame() -> None:
    rng = np.random.default_rng(1)
    looks = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    tokens = [rng.integers(1, 6, rng.integers(4, 12)).tolist() for _ in range(150)]
    truth = [said(ids, rng) for ids in tokens]
    heard = [looks[one] + 0.5 * torch.from_numpy(rng.normal(size=(len(one), 8))).float() for one in truth]
    alignment = Alignment(heard[:100], tokens[:100], 6, SILENCE)
    for paths, true in ((alignment.paths, truth[:100]), (alignment.align(heard[100:], tokens[100:]), truth[100:])):
        assert np.mean(np.concatenate(paths) == np.concatenate([np.array(one) for one in true])) > 0.95
