from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.data.warp import stretch_time, warp_frequency, warp_matrix


def test_a_factor_of_one_changes_nothing() -> None:
    torch.testing.assert_close(warp_matrix(torch.ones(2), 80), torch.eye(80).expand(2, 80, 80), rtol=0, atol=2e-5)


def test_a_resonance_moves_by_the_factor() -> None:
    bands = torch.arange(1, 81) * (2595 * np.log10(1 + 8000 / 700) - 2595 * np.log10(1 + 20 / 700)) / 81
    hertz = 700 * (10 ** ((bands + 2595 * np.log10(1 + 20 / 700)) / 2595) - 1)
    peak = torch.exp(-(((hertz - 2200) / 300) ** 2))
    for factor in (0.9, 1.1):
        warped = warp_matrix(torch.tensor([factor]), 80)[0] @ peak
        assert abs(float(hertz[warped.argmax()]) - 2200 / factor) < 80


def test_utterances_are_warped_apart_and_padding_stays_silent() -> None:
    features = torch.randn(3, 20, 80)
    features[1, 10:] = 0
    one, two = (warp_frequency(features, 0.2, np.random.default_rng(s)) for s in (1, 1))
    assert torch.equal(one, two)
    assert not one[1, 10:].any()
    assert not torch.allclose(one, features, atol=0.1)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_stretched_features_say_the_same_at_another_speed(factor: float) -> None:
    time = torch.arange(96.0)
    features = torch.zeros(2, 96, 3)
    features[0], features[1, :50] = time[:, None], time[:50, None]
    stretched, frames = stretch_time(features, torch.tensor([96, 50]), factor, 24)
    assert stretched.shape[1] % 24 == 0
    assert frames.tolist() == pytest.approx([96 * factor, 50 * factor], abs=1)
    for row, count in enumerate(frames.tolist()):
        assert stretched[row, count - 1].tolist() == pytest.approx([96 - 1 if row == 0 else 49] * 3, abs=1 / factor)
        torch.testing.assert_close(stretched[row, :count, 0], torch.arange(count) * 95 / (round(96 * factor) - 1))
        assert not stretched[row, count:].any()


def test_a_factor_of_one_leaves_time_alone() -> None:
    features = torch.randn(2, 48, 5)
    stretched, frames = stretch_time(features, torch.tensor([48, 48]), 1.0, 48)
    torch.testing.assert_close(stretched, features)
    assert frames.tolist() == [48, 48]
