from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish  # type: ignore[import-not-found]
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asr.checkpoint.checkpoint import flatten_optimizer, load_newest, restore_optimizer
from asr.config import Config, ModelConfig, OptimizerConfig
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.scaling.plan import Plan
from asr.step.muon import COEFFICIENTS, orthogonalise
from asr.step.optimizer import make_optimizer, set_values
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

MUON = OptimizerConfig(kind="muon", lr=1e-2, momentum=0.95, weight_decay=0.1)
SMALL = ModelConfig(layers=1, width=32, heads=2, feedforward=64, convolution=3)


def with_gradients(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


@pytest.mark.parametrize(("rows", "columns"), [(5, 9), (9, 5), (6, 6)])
def test_singular_values_alone_are_changed_and_by_the_polynomial(rows: int, columns: int) -> None:
    matrices = torch.randn(3, 2, rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.norm(dim=-1, keepdim=True)
    for _ in range(5):
        values = sum(c * values**n for c, n in zip(COEFFICIENTS, (1, 3, 5), strict=True))
    torch.testing.assert_close(orthogonalise(matrices), left @ torch.diag_embed(values) @ right)


def test_matrices_move_as_muon_moves_them_and_everything_else_as_adamw_does() -> None:
    torch.manual_seed(0)
    models = [Encoder(8, 5, SMALL) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    plan = Plan(Config(model=SMALL, optimizer=MUON, batch_scale=4.0))
    values = plan.values(4.0)
    optimizer = make_optimizer(models[0], MUON, values, fused=True, precision=torch.bfloat16)
    named = dict(models[1].named_parameters())
    matrices = [n for n, p in named.items() if p.ndim == 2 and n != "head.weight"]
    assert sorted(n.rsplit(".", 2)[-2] for n in matrices) == ["gates", "inner", "out", "out", "outer", "qkv"]
    kinds = (
        [n for n, p in named.items() if n not in matrices and p.ndim > 1],
        [n for n, p in named.items() if p.ndim < 2],
    )
    muon = torch.optim.Muon(
        [named[n] for n in matrices], lr=0.04, momentum=0.95**4, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(
        [{"params": [named[n] for n in names], "weight_decay": d} for names, d in zip(kinds, (0.1, 0.0), strict=True)],
        lr=0.02,
        betas=(values.beta1, values.beta2),
        eps=values.eps,
    )
    for step in range(3):
        for model in models:
            with_gradients(model, step)
        set_values(optimizer, values, 1.0, 1.0, plan.matrix_decay(4.0, 1.0))
        for each in (optimizer, muon, adamw):
            each.step()
    for name, parameter in models[0].named_parameters():
        torch.testing.assert_close(parameter, named[name], rtol=1e-5, atol=1e-6, msg=name)


def test_in_fp32_it_moves_them_as_in_bf16_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 6 matrices of 5 shapes two are alike: taken together or apart, they move the same way.
    moved = []
    for precision, at_once in ((torch.float32, 1 << 24), (torch.float32, 1), (torch.bfloat16, 1 << 24)):
        monkeypatch.setattr("asr.step.muon.AT_ONCE", at_once)
        torch.manual_seed(0)
        model = Encoder(8, 5, SMALL)
        optimizer = make_optimizer(model, MUON, Plan(Config(model=SMALL, optimizer=MUON)).values(1.0), True, precision)
        for step in range(3):
            with_gradients(model, step)
            optimizer.step()
        moved.append({name: parameter.detach() for name, parameter in model.named_parameters()})
    for name, parameter in moved[0].items():
        torch.testing.assert_close(moved[1][name], parameter, msg=name)
        torch.testing.assert_close(moved[2][name], parameter, rtol=0, atol=3e-3, msg=name)


def test_its_state_is_restored_with_the_same_bits() -> None:
    torch.manual_seed(0)
    model = Encoder(8, 5, SMALL)
    plan = Plan(Config(model=SMALL, optimizer=MUON))
    optimizer = make_optimizer(model, MUON, plan.values(1.0), fused=True)
    with_gradients(model, 1)
    optimizer.step()
    other = Encoder(8, 5, SMALL)
    other.load_state_dict(model.state_dict())
    again = make_optimizer(other, MUON, plan.values(1.0), fused=True)
    saved = {name: tensor.clone() for name, tensor in flatten_optimizer(optimizer.state_dict()).items()}
    restore_optimizer(again, saved)
    for each, own in ((model, optimizer), (other, again)):
        with_gradients(each, 2)
        own.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_run_trains_with_it_on_one_device_and_sharded_on_two(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    config = dataclasses.replace(
        tiny_corpus.config,
        optimizer=dataclasses.replace(tiny_corpus.config.optimizer, kind="muon", momentum=0.95),
        model=dataclasses.replace(tiny_corpus.config.model, dropout=0.0, layerdrop=0.0),
    )
    finals = {}
    for engine, ranks in (("ddp", 1), ("fsdp", 2)):
        of = dataclasses.replace(config, train=dataclasses.replace(config.train, engine=engine))
        corpus, run = dataclasses.replace(tiny_corpus, config=of), tmp_path / engine
        if ranks == 1:
            train(of, corpus.manifests, corpus.tokens, run, stop_after=4)
        else:
            finish(corpus, run, ranks, stop_after=4)
        found = load_newest(run / "checkpoints")
        assert found is not None
        finals[engine] = found.tensors
    for kind in ("student", "teacher"):
        for name, tensor in finals["ddp"][kind].items():
            torch.testing.assert_close(finals["fsdp"][kind][name], tensor, rtol=2e-2, atol=2e-3, msg=name)


class Types(TorchDispatchMode):
    """Which types tensors have that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        self.seen |= {each.dtype for each in tree_leaves(made) if isinstance(each, torch.Tensor)}
        return made


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_in_fp32_computes_nothing_in_bf16(tiny_corpus: TinyCorpus, tmp_path: Path, precision: str) -> None:
    # A CPU without such instructions takes seventeen times as long.
    config = dataclasses.replace(
        tiny_corpus.config,
        optimizer=dataclasses.replace(tiny_corpus.config.optimizer, kind="muon", momentum=0.95),
        train=dataclasses.replace(tiny_corpus.config.train, precision=precision),
    )
    with Types() as types:
        train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "run", stop_after=1)
    assert torch.float32 in types.seen
    assert (torch.bfloat16 in types.seen) == (precision == "bf16")


def test_adascale_which_knows_nothing_of_it_is_refused() -> None:
    scaling = dataclasses.replace(Config().scaling, adascale=True)
    with pytest.raises(UserError, match="its gain means nothing"):
        Plan(Config(optimizer=MUON, scaling=scaling))
