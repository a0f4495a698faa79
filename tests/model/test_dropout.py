from __future__ import annotations

import pytest
import torch

from asr.model.dropout import drop


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_one_asked_for_and_the_mean_stays(probability: float) -> None:
    torch.manual_seed(0)
    dropped = drop(torch.ones(1000, 1001), probability)
    assert float((dropped == 0).float().mean()) == pytest.approx(probability, abs=4 * (probability / 1e6) ** 0.5)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)
    assert len(dropped.unique()) == 2


def test_what_was_dropped_gets_no_gradient_and_the_rest_is_scaled_alike() -> None:
    x = torch.full((64, 33), 2.0, requires_grad=True)
    dropped = drop(x, 0.25)
    torch.autograd.backward(dropped.sum())
    assert x.grad is not None
    assert torch.equal(x.grad, dropped.detach() / 2)


def test_draws_follow_the_seed_and_do_not_repeat() -> None:
    x = torch.ones(5000)
    torch.manual_seed(3)
    first, second = drop(x, 0.5), drop(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(drop(x, 0.5), first)
    assert 0.45 < float((first == second).float().mean()) < 0.55


def test_neighbours_are_dropped_independently_of_each_other() -> None:
    torch.manual_seed(0)
    kept = drop(torch.ones(4, 100_000), 0.5) > 0
    for apart in (1, 2, 3, 4, 8):
        assert float((kept[:, apart:] == kept[:, :-apart]).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_nothing_is_dropped_by_chance_0_and_bf16_stays_bf16() -> None:
    x = torch.randn(7, 3)
    assert drop(x, 0.0) is x
    assert drop(x.bfloat16(), 0.1).dtype == torch.bfloat16
