from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import SAMPLE, START, toy_model  # type: ignore[import-not-found]

from asr.errors import UserError
from asr.scaling import ScaledEMA, corrected_rate, ema_rate, move_averages


def walk(model: nn.Module, step: int) -> None:
    """Give the model other weights, those of a step."""
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))


@pytest.mark.parametrize("kappa", [0.25, 1.0, 3.7, 4.0, 8.0])
def test_a_step_of_kappa_base_batches_moves_by_one_minus_rho_to_the_kappa(kappa: float) -> None:
    model = toy_model()
    ema = ScaledEMA(model, momentum=0.99, base_batch=60, unit="seconds")
    walk(model, 1)
    ema.update(seconds=60 * kappa)
    rate = ema_rate(0.99, kappa)
    torch.testing.assert_close(
        ema.averages["weight"], START + rate * (model.weight.detach() - START), rtol=1e-12, atol=0
    )


def test_half_life_and_momentum_say_one_thing() -> None:
    seconds = 60 * math.log(2) / -math.log(0.99)
    rates = [
        ScaledEMA(toy_model(), half_life_seconds=seconds).recipe.rate(240),
        ScaledEMA(toy_model(), momentum=0.99, base_batch=60, unit="seconds").recipe.rate(240),
        ScaledEMA(toy_model(), momentum=0.99**4, base_batch=240, unit="seconds").recipe.rate(240),
        ScaledEMA(toy_model(), half_life_samples=seconds).recipe.rate(240),
    ]
    assert rates == pytest.approx([ema_rate(0.99, 4)] * 4, rel=1e-12)


@pytest.mark.parametrize("kappa", [0.25, 1.0, 4.0, 8.0, 1000.0])
def test_with_its_start_corrected_an_average_is_that_of_the_models_seen_alone(kappa: float) -> None:
    """The closed form: Σ (1 − ρ^κ) ρ^(κ(n − i)) θᵢ / (1 − ρ^(κn)); the first update copies the model."""
    rho, model = 0.999, toy_model()
    ema = ScaledEMA(model, momentum=rho, base_batch=16, correct_start=True)
    weighted = torch.zeros_like(START)
    for step in range(1, 20):
        walk(model, step)
        ema.update(samples=16 * kappa)
        weighted = rho**kappa * weighted + ema_rate(rho, kappa) * model.weight.detach()
        closed = weighted / ema_rate(rho, kappa * step)
        torch.testing.assert_close(ema.averages["weight"], closed, rtol=1e-9, atol=1e-12)
        if step == 1:
            assert torch.equal(ema.averages["weight"], model.weight)


def test_a_corrected_start_follows_steps_of_any_size_and_forgets_nothing_else() -> None:
    weight, product = 0.0, 1.0
    for rate in (1e-6, 0.3, 1e-3, 0.9, 1e-6):
        corrected, weight = corrected_rate(rate, weight)
        product *= 1 - rate
        assert math.isclose(corrected, rate / (1 - product), rel_tol=1e-9)
    assert corrected_rate(0.0, weight) == (0.0, weight)


def test_small_batches_move_the_average_too() -> None:
    """A known fault of public code: decay ** (batch // 512) is decay⁰ = 1 for a batch of 64, and nothing ever moves."""
    decay, batch = 0.9999, 64
    assert 1 - decay ** (batch // 512) == 0
    model = toy_model()
    ema = ScaledEMA(model, momentum=decay, base_batch=512)
    walk(model, 1)
    for _ in range(8 * 100):
        ema.update(samples=batch)
    moved = (ema.averages["weight"] - START) / (model.weight.detach() - START)
    torch.testing.assert_close(moved, torch.full_like(moved, ema_rate(decay, 100)))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_an_average_of_half_precision_weights_is_kept_in_fp32_and_moves(kind: torch.dtype) -> None:
    model = nn.Linear(4, 4, dtype=kind)
    ema = ScaledEMA(model, momentum=0.9999, base_batch=1)
    own = {name: tensor.clone() for name, tensor in ema.averages.items()}
    assert {t.dtype for t in own.values()} == {torch.float64 if kind == torch.float64 else torch.float32}
    with torch.no_grad():
        model.weight += 1.0
    ema.update(samples=1)
    moved = (ema.averages["weight"] - own["weight"]) / (model.weight - own["weight"])
    torch.testing.assert_close(moved.double(), torch.full((4, 4), 1e-4, dtype=torch.float64), rtol=2e-2, atol=0)


@pytest.mark.parametrize("buffers", ["average", "copy"])
def test_buffers_follow_their_policy(buffers: Any) -> None:
    model = nn.BatchNorm1d(2)
    ema = ScaledEMA(model, momentum=0.75, base_batch=8, buffers=buffers)
    model(torch.randn(8, 2) + 5)
    ema.update(samples=8)
    assert ema.averages["num_batches_tracked"] == 1
    mean = ema.averages["running_mean"]
    torch.testing.assert_close(mean, model.running_mean * (0.25 if buffers == "average" else 1.0))


def test_what_micro_batches_count_is_what_the_step_held() -> None:
    one, two = toy_model(), toy_model()
    whole, parts = (ScaledEMA(m, half_life_seconds=100.0) for m in (one, two))
    walk(one, 1)
    walk(two, 1)
    whole.update(seconds=30.5)
    for seconds in (10.0, 0.0, 20.5):
        parts.count(seconds=seconds)
    parts.update()
    assert torch.equal(whole.averages["weight"], parts.averages["weight"])
    assert (parts.counted, parts.seen) == (0.0, 30.5)


def test_wrong_amounts_are_refused() -> None:
    ema = ScaledEMA(toy_model(), half_life_seconds=100.0)
    for amounts in ({"samples": 3}, {"seconds": 3, "samples": 3}, {"seconds": -1}, {"seconds": math.nan}):
        with pytest.raises(UserError, match="seconds"):
            ema.update(**amounts)
    with pytest.raises(UserError, match="without any data counted"):
        ema.update()
    ema.count(seconds=8)
    with pytest.raises(UserError, match="were counted before"):
        ema.update(seconds=8)
    assert (ema.counted, ema.seen) == (8.0, 0.0)


def test_an_update_that_is_refused_counts_nothing() -> None:
    ema = ScaledEMA(toy_model(), half_life_seconds=100.0)
    with ema.swapped(), pytest.raises(UserError, match="leave `swapped`"):
        ema.update(seconds=8)
    assert (ema.counted, ema.seen) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give one of"),
        ({"momentum": 0.9, "half_life_seconds": 1.0, "base_batch": 1}, "give one of"),
        ({"momentum": 0.9}, "needs base_batch"),
        ({"half_life_samples": 9.0, "unit": "seconds"}, "half_life_samples counts samples, and unit seconds"),
        ({"momentum": 1.0, "base_batch": 1}, "less than 1"),
        ({"half_life_seconds": -1.0}, "at least 0"),
        ({"half_life_samples": 1.0, "base_batch": 3}, "belongs to momentum"),
        ({"half_life_samples": 1.0, "buffers": "keep"}, "must be of"),
        ({"momentum": 0.9, "base_batch": 1, "unit": "hours"}, "must be of"),
    ],
)
def test_a_recipe_without_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ScaledEMA(toy_model(), **given)


def saved(momentum: float = 0.99, **given: Any) -> tuple[nn.Module, ScaledEMA]:
    model = toy_model()
    ema = ScaledEMA(model, momentum=momentum, base_batch=60, unit="seconds", **given)
    walk(model, 1)
    ema.update(seconds=60)
    return model, ema


def test_a_resumed_average_goes_on_with_the_same_bits(tmp_path: Any) -> None:
    model, ema = saved(correct_start=True)
    ema.count(seconds=7)
    torch.save(ema.state_dict(), tmp_path / "ema.pt")
    other = toy_model()
    resumed = ScaledEMA(other, momentum=0.99**4, base_batch=240, unit="seconds", correct_start=True)
    resumed.load_state_dict(torch.load(tmp_path / "ema.pt", weights_only=True))
    for each, average in ((model, ema), (other, resumed)):
        walk(each, 2)
        average.count(seconds=53)
        average.update()
    torch.testing.assert_close(resumed.averages["weight"], ema.averages["weight"], rtol=1e-14, atol=0)
    assert resumed.state_dict()["seen"] == 120.0


def test_a_recipe_does_not_change_silently_when_training_goes_on() -> None:
    _, ema = saved()
    for given in ({"momentum": 0.9}, {"buffers": "copy"}, {"correct_start": True}):
        _, other = saved(**given)  # type: ignore[arg-type]
        before = other.averages["weight"].clone()
        with pytest.raises(
            UserError, match=r"made otherwise \((half_life|buffers|correct_start): .* → .*change_recipe"
        ):
            other.load_state_dict(ema.state_dict())
        assert torch.equal(other.averages["weight"], before)
        other.load_state_dict(ema.state_dict(), change_recipe=True)
        assert torch.equal(other.averages["weight"], ema.averages["weight"])


def test_an_average_of_another_model_is_refused() -> None:
    ema = ScaledEMA(nn.Linear(3, 2), half_life_seconds=1.0)
    with pytest.raises(UserError, match=r"bias: the saved average is not that of this average \(2 names or shapes"):
        ema.load_state_dict(ScaledEMA(nn.Linear(4, 2, bias=False), half_life_seconds=1.0).state_dict())


def test_the_average_is_swapped_in_and_the_model_s_own_weights_come_back() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).to(torch.bfloat16)
    ema = ScaledEMA(model, half_life_samples=2.0)
    walk(model, 1)
    ema.update(samples=2)
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = [p.data_ptr() for p in model.parameters()]

    def fail() -> None:
        with ema.swapped():
            for name, tensor in model.state_dict().items():
                assert torch.equal(tensor, ema.averages[name].to(tensor.dtype))
            assert not torch.equal(model[0].weight, own["0.weight"])
            with pytest.raises(UserError, match="holds the average"):
                ema.update(samples=2)
            with pytest.raises(UserError, match="holds the average"), ema.swapped():
                pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())
    assert places == [p.data_ptr() for p in model.parameters()]
    ema.update(samples=2)


def test_a_model_that_was_changed_meanwhile_is_not_averaged_wrongly() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    ema = ScaledEMA(model, half_life_samples=2.0)
    model.append(nn.Linear(3, 1))
    with pytest.raises(UserError, match=r"1.weight: added, removed"):
        ema.update(samples=2)
    del model[1]
    model[0].bias = None
    with pytest.raises(UserError, match=r"0.bias: added, removed"):
        ema.update(samples=2)


def test_names_are_those_of_the_bare_model_and_its_average_can_be_used_at_once() -> None:
    model = toy_model()
    compiled = torch.compile(model, backend="eager")
    ema = ScaledEMA(compiled, half_life_samples=1.0)  # type: ignore[arg-type]
    walk(model, 1)
    ema.update(samples=1)
    assert list(ema.averages) == ["weight"]
    output = torch.func.functional_call(model, ema.averages, SAMPLE)
    torch.testing.assert_close(output, SAMPLE @ ((START + model.weight.detach()) / 2).T)


def test_a_rate_of_1_copies_and_0_leaves_every_bit() -> None:
    own, value = [torch.randn(5)], [torch.randn(5)]
    before: Tensor = own[0].clone()
    move_averages(own, value, 0.0)
    assert torch.equal(own[0], before)
    move_averages(own, value, 1.0)
    assert torch.equal(own[0], value[0])
