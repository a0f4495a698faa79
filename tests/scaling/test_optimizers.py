from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Muon, Optimizer, RMSprop

from asr.errors import UserError
from asr.scaling import scale_decay, scale_optimizer


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(3, 2))


def values(optimizer: Optimizer) -> dict[str, float]:
    group: dict[str, Any] = optimizer.param_groups[0]
    found = {k: group[k] for k in ("lr", "alpha", "eps", "momentum", "weight_decay") if k in group}
    return found | dict(zip(("beta1", "beta2"), group.get("betas", ()), strict=False))


MADE: dict[str, tuple[Optimizer, dict[str, float]]] = {
    "SGD": (
        SGD([parameter()], lr=0.1, momentum=0.9, weight_decay=0.01),
        {"lr": 0.4, "momentum": 0.9, "weight_decay": 0.01},
    ),
    "Adam": (
        Adam([parameter()], lr=0.1, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.01),
        {"lr": 0.2, "beta1": 0.9**4, "beta2": 0.98**4, "eps": 5e-9, "weight_decay": 0.01},
    ),
    "AdamW": (
        AdamW([parameter()], lr=0.1, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.01),
        {"lr": 0.2, "beta1": 0.9**4, "beta2": 0.98**4, "eps": 5e-9, "weight_decay": 0.01},
    ),
    "RMSprop": (
        RMSprop([parameter()], lr=0.1, alpha=0.98, eps=1e-8, momentum=0.9),
        {"lr": 0.2, "alpha": 0.98**4, "eps": 5e-9, "momentum": 0.9, "weight_decay": 0},
    ),
    "Muon": (
        Muon([parameter()], lr=0.1, momentum=0.95, weight_decay=0.01),
        {"lr": 0.4, "momentum": 0.95**4, "weight_decay": 0.01, "eps": 1e-7},
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_each_optimizer_follows_its_rule_and_values_never_compound(kind: str) -> None:
    optimizer, expected = MADE[kind]
    base = copy.deepcopy(values(optimizer))
    for kappa in (4.0, 7.0, 0.5, 4.0):
        scale_optimizer(optimizer, kappa)
    assert values(optimizer) == pytest.approx(expected)
    scale_optimizer(optimizer, 1)
    assert values(optimizer) == base
    optimizer.param_groups[0]["params"][0].grad = torch.ones(3, 2)
    optimizer.step()


def test_each_group_keeps_its_own_base_and_a_resume_keeps_it_too() -> None:
    def make() -> Optimizer:
        return AdamW([{"params": [parameter()], "lr": 0.1}, {"params": [parameter()], "lr": 0.3}])

    optimizer, resumed = make(), make()
    scale_optimizer(optimizer, 9)
    resumed.load_state_dict(optimizer.state_dict())
    scale_optimizer(resumed, 4)
    assert [group["lr"] for group in resumed.param_groups] == pytest.approx([0.2, 0.6])


def test_rules_are_options() -> None:
    optimizer = AdamW([parameter()], lr=0.1, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.5)
    scale_optimizer(optimizer, 4, betas="linear", eps="keep", decay="small-lr")
    assert values(optimizer) == pytest.approx(
        {"lr": 0.2, "beta1": 0.6, "beta2": 0.92, "eps": 1e-8, "weight_decay": 1.0}, rel=1e-9
    )
    scale_optimizer(optimizer, 4, betas="keep", decay="exact")
    assert (values(optimizer)["beta1"], values(optimizer)["beta2"]) == (0.9, 0.98)
    assert values(optimizer)["weight_decay"] == scale_decay(0.5, 0.1, 4, "exact")
    with pytest.raises(UserError, match="largest feasible κ is 10"):
        scale_optimizer(optimizer, 11, betas="linear")
    assert values(optimizer)["lr"] == 0.2


@pytest.mark.parametrize("kappa", [2, 4, 16])
def test_the_exact_decay_of_a_real_adamw_is_that_of_kappa_base_steps(kappa: int) -> None:
    """Without a gradient a step is decay alone: (1 − ηλ)^κ; to first order √κ·λ is right, and λ as it is takes less."""
    left = {}
    for decay in ("base", "keep", "small-lr", "exact"):
        weight = parameter()
        optimizer = AdamW([weight], lr=0.01, weight_decay=2.0)
        if decay != "base":
            scale_optimizer(optimizer, kappa, decay=decay)  # type: ignore[arg-type]
        weight.grad = torch.zeros_like(weight)
        for _ in range(kappa if decay == "base" else 1):
            optimizer.step()
        left[decay] = -math.log(weight[0, 0].item())
    assert left["exact"] == pytest.approx(left["base"], rel=1e-5)
    assert left["small-lr"] == pytest.approx(left["base"], rel=0.02 * kappa)
    assert left["keep"] == pytest.approx(left["base"] / math.sqrt(kappa), rel=0.1)


def test_a_schedule_s_share_is_given_and_a_learning_rate_that_something_else_set_is_not_overwritten() -> None:
    optimizer = Adam([parameter()], lr=0.1)
    scale_optimizer(optimizer, 4, share=0.5)
    scale_optimizer(optimizer, 9, share=0.25)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.075)
    with pytest.raises(UserError, match=r"was 0\.3 .* and is 0\.075: give share="):
        scale_optimizer(optimizer, 4)
    other = Adam([parameter()], lr=0.1)
    scale_optimizer(other, 4)
    torch.optim.lr_scheduler.LambdaLR(other, lambda step: 1 / (1 + step))
    with pytest.raises(UserError, match="before you make it"):
        scale_optimizer(other, 8, share=1.0)


def test_adam_s_correction_of_bias_goes_by_data_where_kappa_changes() -> None:
    """With a constant gradient both moments are exact, and every move is one learning rate."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = Adam([weight], lr=1e-3, betas=(0.9, 0.98), eps=0.0)
    for kappa in [1] * 8 + [8, 2, 1]:
        scale_optimizer(optimizer, kappa)
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
        assert before - weight.item() == pytest.approx(1e-3 * math.sqrt(kappa), rel=1e-3)


def test_steps_that_were_made_before_any_rule_were_made_at_kappa_1() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = Adam([weight], lr=1e-3, betas=(0.9, 0.98), eps=0.0)
    for kappa in [None] * 8 + [8]:
        if kappa is not None:
            scale_optimizer(optimizer, kappa)
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
    assert before - weight.item() == pytest.approx(1e-3 * math.sqrt(8), rel=1e-3)


def test_what_has_no_rule_is_refused() -> None:
    with pytest.raises(UserError, match="Adagrad: no rule is known"):
        scale_optimizer(Adagrad([parameter()]), 4)
    with pytest.raises(UserError, match="must be a positive number"):
        scale_optimizer(SGD([parameter()]), 0)
    with pytest.raises(UserError, match="is a tensor"):
        scale_optimizer(Adam([parameter()], lr=torch.tensor(0.1)), 4)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_exact_decay_is_that_of_the_learning_rate_that_a_schedule_makes(share: float) -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight], lr=0.1, weight_decay=1.0)
    scale_optimizer(optimizer, 16, decay="exact", share=share)
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx((1 - 0.1 * share) ** 16, rel=1e-5)


def test_a_share_without_sense_is_refused() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    for share in (float("nan"), -1.0):
        with pytest.raises(UserError, match="must be a number, at least 0"):
            scale_optimizer(optimizer, 4, share=share)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_moments_that_go_by_steps_are_corrected_by_steps() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1e-3, betas=(0.9, 0.98), eps=0.0)
    moves = []
    for kappa in (1, 1, 8, 8):
        scale_optimizer(optimizer, kappa, betas="keep")
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
        moves.append((before - weight.item()) / optimizer.param_groups[0]["lr"])
    assert moves == pytest.approx([1.0] * 4, rel=1e-4)
