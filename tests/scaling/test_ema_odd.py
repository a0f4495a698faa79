"""What averages are given that is not as usual."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asr.errors import UserError
from asr.scaling import ScaledEMA


def test_infinite_buffers_stay_what_they_are_and_a_range_that_was_empty_is_taken_up() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))
    model.register_buffer("least", torch.tensor(torch.inf))
    ema = ScaledEMA(model, momentum=0.9, base_batch=1)
    ema.update(samples=1)
    assert torch.equal(ema.averages["mask"], model.mask)
    model.least.fill_(3.0)  # type: ignore[operator]
    ema.update(samples=1)
    assert ema.averages["least"] == 3.0
    model.least.fill_(2.0)  # type: ignore[operator]
    ema.update(samples=1)
    assert ema.averages["least"].item() == pytest.approx(2.9)


def test_complex_weights_are_averaged_too() -> None:
    model = nn.ParameterList([nn.Parameter(torch.zeros(2, dtype=torch.complex64))])
    ema = ScaledEMA(model, momentum=0.75, base_batch=1)
    with torch.no_grad():
        model[0].fill_(1 + 2j)
    ema.update(samples=1)
    torch.testing.assert_close(ema.averages["0"], torch.full((2,), 0.25 + 0.5j))


def test_another_start_correction_or_unit_changes_what_it_says_and_no_more() -> None:
    model = nn.Linear(1, 1)
    whole = ScaledEMA(model, half_life_seconds=10.0)
    whole.update(seconds=50)
    corrected = ScaledEMA(model, half_life_samples=10.0, correct_start=True)
    corrected.load_state_dict(whole.state_dict(), change_recipe=True)
    assert (corrected.counted, corrected.seen) == (0.0, 0.0)
    before = corrected.averages["weight"].clone()
    with torch.no_grad():
        model.weight += 1
    corrected.update(samples=10)
    torch.testing.assert_close(corrected.averages["weight"], before + 0.5)


def test_what_is_no_average_or_goes_into_another_model_is_refused_whole() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    ema = ScaledEMA(model, momentum=0.9, base_batch=1)
    with pytest.raises(UserError, match=r"not what ScaledEMA\.state_dict gives: it lacks averages, counted, recipe"):
        ema.load_state_dict({"model": 1})
    with pytest.raises(UserError, match="amounts = 'Local': must be one of"):
        ScaledEMA(model, momentum=0.9, base_batch=1, amounts="Local")  # type: ignore[arg-type]
    for other in (nn.Sequential(nn.Linear(1, 1)), nn.Sequential(nn.Linear(1, 4), nn.Linear(1, 1)), nn.Linear(1, 1)):
        own = [p.detach().clone() for p in other.parameters()]
        with pytest.raises(UserError, match="the model is not that of this average"):
            ema.copy_to(other)
        assert all(torch.equal(a, b) for a, b in zip(own, other.parameters(), strict=True))


def test_a_count_that_is_a_tensor_is_a_number_like_any_other() -> None:
    ema = ScaledEMA(nn.Linear(1, 1), half_life_samples=1e9)
    for _ in range(3):
        ema.update(samples=torch.tensor(16777217, dtype=torch.int64))  # type: ignore[arg-type]
    assert ema.seen == 3 * 16777217
