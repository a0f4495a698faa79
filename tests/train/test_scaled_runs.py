"""Runs whose steps are not all alike: κ changes on the way, or AdaScale measures what a step is worth."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish  # type: ignore[import-not-found]
from test_ranks import STEP_HOURS, even  # type: ignore[import-not-found]

from asr.checkpoint.checkpoint import load_newest
from asr.config import Config
from asr.errors import UserError
from asr.scaling.plan import Plan
from asr.scaling.width import ROLES
from asr.step.gain import GainMeter
from asr.step.optimizer import make_optimizer, set_steps, set_values
from asr.step.ranks import Ranks
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def scaled(config: Config, **scaling: Any) -> Config:
    return dataclasses.replace(
        config,
        scaling=dataclasses.replace(config.scaling, **scaling),
        train=dataclasses.replace(config.train, log_hours=STEP_HOURS / 4),
    )


def measured(config: Config, kappa: float) -> Config:
    """AdaScale that measures from the sixth base step on: before, Adam's second moment means nothing."""
    config = scaled(config, adascale=True)
    return dataclasses.replace(
        config, batch_scale=kappa, optimizer=dataclasses.replace(config.optimizer, beta1=0.6, beta2=0.8)
    )


def logged(run_dir: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "train"]


def parts_equal_the_whole(corpus: TinyCorpus, config: Config, folder: Path, stops: tuple[int, ...]) -> None:
    train(config, corpus.manifests, corpus.tokens, folder / "whole")
    for stop in stops:
        train(config, corpus.manifests, corpus.tokens, folder / "parts", stop_after=stop)
    train(config, corpus.manifests, corpus.tokens, folder / "parts")
    whole, parts = load_newest(folder / "whole" / "checkpoints"), load_newest(folder / "parts" / "checkpoints")
    assert whole is not None
    assert parts is not None
    assert whole.state == parts.state
    for kind, tensors in whole.tensors.items():
        other = parts.tensors[kind]
        assert all(t.numpy().tobytes() == other[name].numpy().tobytes() for name, t in tensors.items()), kind
    assert (folder / "whole" / "metrics.jsonl").read_text() == (folder / "parts" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("kappa", [0.5, 1.0, 2.0, 4.0, 8.0])
def test_a_run_does_everything_at_the_same_hours_at_every_kappa(
    tiny_corpus: TinyCorpus, tmp_path: Path, kappa: float
) -> None:
    """Not what the clock would say, but what is logged, saved and learnt from."""
    at = [8 * STEP_HOURS * n for n in range(1, 5)]
    config = dataclasses.replace(
        tiny_corpus.config,
        batch_scale=kappa,
        schedule=dataclasses.replace(
            tiny_corpus.config.schedule, total_hours=at[3], warmup_hours=at[0], decay_start_hours=at[2], decay="linear"
        ),
        pseudo=dataclasses.replace(tiny_corpus.config.pseudo, start_hours=at[1]),
        train=dataclasses.replace(
            tiny_corpus.config.train, log_hours=at[0], evaluate_hours=at[1], checkpoint_hours=at[0], keep_last=4
        ),
    )
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    lines = logged(tmp_path)
    assert [line["hours"] for line in lines] == pytest.approx(at)
    assert [line["labels_kept"] is not None for line in lines] == [False, False, True, True]
    # A step's learning rate is that of its middle: half a step before what is logged.
    half = kappa / 16
    shares = [line["lr"] / (config.optimizer.lr * kappa**0.5) for line in lines]
    assert shares == pytest.approx([1 - half, 1, 1, half])
    everything = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["hours"] for line in everything if line["kind"] == "dev"] == pytest.approx(at[1::2])
    states = [json.loads(p.read_text()) for p in sorted(tmp_path.glob("checkpoints/step-*/state.json"))]
    assert [state["hours"] for state in states] == pytest.approx(at)
    assert [state["positions"]["started"] for state in states] == [False, False, True, True]


def test_kappa_grows_on_the_way_and_a_run_stopped_in_the_ramp_ends_with_the_same_bits(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    progressive = ((0.0, 1.0), (3 * STEP_HOURS, 2.0))
    config = scaled(tiny_corpus.config, progressive=progressive, ramp_hours=3 * STEP_HOURS)
    plan = Plan(config)
    parts_equal_the_whole(tiny_corpus, config, tmp_path, (4, 5))
    lines = logged(tmp_path / "whole")
    assert [line["batch_scale"] for line in lines] == [1, 1, 1, 1, 1.5, 2, 2, 2]
    assert len(lines) == plan.steps
    assert lines[-1]["hours"] == pytest.approx(lines[-1]["audio_hours"])
    for line in lines:
        assert line["momentum"] == pytest.approx(0.9 ** line["batch_scale"])


def test_adascale_s_clock_moves_by_the_gain_and_its_teacher_with_it(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    config = measured(tiny_corpus.config, 2.0)
    parts_equal_the_whole(tiny_corpus, config, tmp_path, (2, 4))
    lines = logged(tmp_path / "whole")
    gains = [line["gain"] for line in lines]
    assert gains[0] == 1
    assert all(1 <= gain <= 2 for gain in gains)
    assert max(gains) > 1
    for line in lines:
        assert line["momentum"] == pytest.approx(0.9 ** line["gain"])
        assert line["audio_hours"] == pytest.approx(2 * STEP_HOURS * line["step"])
    assert lines[-1]["hours"] == pytest.approx(STEP_HOURS * sum(gains))
    assert lines[-1]["hours"] >= config.schedule.total_hours > lines[-2]["hours"]


def test_adascale_s_gain_is_the_same_on_one_and_on_two_ranks(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = even(tiny_corpus)
    config = measured(corpus.config, 4.0)
    corpus = dataclasses.replace(corpus, config=config)
    train(config, corpus.manifests, corpus.tokens, tmp_path / "one", stop_after=9)
    finish(corpus, tmp_path / "two", 2, stop_after=9)
    one, two = ([line["gain"] for line in logged(tmp_path / name)] for name in ("one", "two"))
    assert len(set(one)) > 2
    assert two == pytest.approx(one, rel=1e-3)


def test_groups_that_ranks_cannot_share_are_refused() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UserError, match="3 micro-batches cannot be shared out evenly to 2 devices"):
        GainMeter(model, optimizer, Config(), 3, Ranks(0, 2, torch.device("cpu")))


@pytest.mark.parametrize("rules", [{"adascale": True}, {"progressive": ((0.0, 1.0), (0.01, 1.0))}, {}])
@pytest.mark.parametrize("forms", [("linear", "exact"), ("power", "small-lr")])
def test_at_kappa_1_every_rule_leaves_every_bit(
    tiny_corpus: TinyCorpus, tmp_path: Path, rules: dict[str, Any], forms: Any
) -> None:
    # One micro-batch of each kind holds a base batch here.
    batch = dataclasses.replace(tiny_corpus.config.batch, unit_seconds=14.0)
    optimizer = dataclasses.replace(
        tiny_corpus.config.optimizer, kind="adamw", weight_decay=0.07, beta_rule=forms[0], decay_rule=forms[1]
    )
    teacher = dataclasses.replace(tiny_corpus.config.teacher, momentum=0.9973)
    config = dataclasses.replace(tiny_corpus.config, batch=batch, optimizer=optimizer, teacher=teacher)
    none = scaled(config, ema=False, optimizer=False)
    on = scaled(config, **rules, ema=True, optimizer=True)
    train(none, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "none", stop_after=6)
    train(on, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "on", stop_after=6)
    one, two = load_newest(tmp_path / "none" / "checkpoints"), load_newest(tmp_path / "on" / "checkpoints")
    assert one is not None
    assert two is not None
    for kind, tensors in one.tensors.items():
        other = two.tensors[kind]
        assert all(t.numpy().tobytes() == other[name].numpy().tobytes() for name, t in tensors.items()), kind


@pytest.mark.parametrize("kind", ["adam", "adamw", "rmsprop", "sgd", "muon"])
def test_an_optimizer_takes_each_step_s_values(kind: str) -> None:
    model = torch.nn.Linear(4, 4)
    config = dataclasses.replace(Config().optimizer, kind=kind, weight_decay=0.1)
    plan = Plan(dataclasses.replace(Config(), optimizer=config))
    optimizer = make_optimizer(model, config, plan.values(1.0), fused=True)
    values = plan.values(4.0)
    set_values(optimizer, values, 0.5, 2.0, {"hidden": 0.3, "vector": 0.0})
    matrices, vectors = optimizer.param_groups
    lr = values.lr * 0.25 if values.muon is None else values.muon.lr * 0.5
    assert (matrices["lr"], vectors["lr"]) == (lr, values.lr * 0.5)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.3, 0.0)
    assert values.muon is None or matrices["momentum"] == config.momentum**4.0
    if kind.startswith("adam"):
        assert matrices["betas"] == (values.beta1, values.beta2)
    if kind == "rmsprop":
        assert vectors["alpha"] == values.beta2
    model(torch.ones(2, 4)).sum().backward()
    before = model.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, model.weight)


def test_adam_corrects_bias_by_the_audio_that_its_moments_have_seen() -> None:
    """Eight base steps and a step of κ = 8: with a constant gradient both moments are exact, and so is every move."""
    config = dataclasses.replace(Config().optimizer, kind="adam", lr=1e-3, eps=0.0)
    plan = Plan(dataclasses.replace(Config(), optimizer=config))
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    model = torch.nn.Module()
    model.weight = weight
    optimizer = make_optimizer(model, config, plan.values(1.0), fused=True)
    moves: list[float] = []
    base_steps = 0.0
    for kappa in [1.0] * 8 + [8.0, 2.0, 1.0]:
        values = plan.values(kappa)
        set_values(optimizer, values, 1.0, 1.0, dict.fromkeys(ROLES, 0.0))
        set_steps(optimizer, base_steps / kappa)
        before = weight[0, 0].item()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        base_steps += kappa
        moves.append((before - weight[0, 0].item()) / values.lr)
    assert moves == pytest.approx([1.0] * 11, rel=1e-4)
