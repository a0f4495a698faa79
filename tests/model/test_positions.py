from __future__ import annotations

import numpy as np
import torch

from asr.model.positions import TurnedHeads, cape_positions, rotary_angles, rotate

LENGTHS = torch.tensor([7, 4, 1, 0])


def test_positions_are_seconds_from_the_middle_of_each_utterance() -> None:
    positions = cape_positions(LENGTHS, 7, 0.03, None)
    assert positions.shape == (4, 7)
    for row, length in enumerate([7, 4, 1, 1]):
        real = positions[row, :length]
        assert abs(real.mean().item()) < 1e-6
        torch.testing.assert_close(positions[row].diff(), torch.full((6,), 0.03))


def test_padding_changes_no_position() -> None:
    torch.testing.assert_close(cape_positions(LENGTHS, 20, 0.03, None)[:, :7], cape_positions(LENGTHS, 7, 0.03, None))


def test_training_moves_each_utterance_as_a_whole_by_up_to_thirty_seconds_and_stretches_nothing() -> None:
    lengths = torch.full((2000,), 5)
    moved = cape_positions(lengths, 5, 0.03, np.random.default_rng(0)) - cape_positions(lengths, 5, 0.03, None)
    assert (moved - moved[:, :1]).abs().max() < 1e-5
    shifts = moved[:, 0]
    assert 29 < shifts.abs().max() <= 30
    assert abs(shifts.mean()) < 2


def test_heads_are_turned_together_with_the_bits_and_gradients_of_slices() -> None:
    torch.manual_seed(0)
    angles = rotary_angles(5, 6, torch.device("cpu"))
    products = torch.randn(3, 5, 3, 2, 6, requires_grad=True)
    weights = torch.randn(3, 3, 2, 5, 6)
    query, key = rotate(products[:, :, :2], angles).permute(2, 0, 3, 1, 4)
    expected = query, key, products[:, :, 2].transpose(1, 2)
    (torch.stack(expected) * weights).sum().backward()
    gradient, products.grad = products.grad, None
    found = TurnedHeads.apply(products, angles)
    (torch.stack(found) * weights).sum().backward()
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    torch.testing.assert_close(products.grad, gradient)
