from __future__ import annotations

import numpy as np
import torch

from asr.data.warp import warp_frequency, warp_matrix


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
