"""On several processes, and the plain loop that every trainer's callback must agree with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from toy import (  # type: ignore[import-not-found]
    BASE_BATCH,
    BASE_STEPS,
    KAPPA,
    LR,
    MOMENTUM,
    assert_teacher,
    on_ranks,
    samples,
    toy_model,
)

from asr.errors import UserError
from asr.scaling import ScaledEMA


def train(kappa: int, micro_batches: int, ranks: int = 1) -> torch.Tensor:
    """The plain loop: the teacher's weight after the toy's data."""
    model: nn.Module = toy_model()
    if ranks > 1:
        model = nn.parallel.DistributedDataParallel(model)
    ema = ScaledEMA(model, momentum=MOMENTUM, base_batch=BASE_BATCH, amounts="local" if ranks > 1 else None)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR * kappa)
    for _ in range(BASE_STEPS // kappa):
        for _ in range(micro_batches):
            batch = samples(BASE_BATCH * kappa // micro_batches // ranks)
            (model(batch).mean() / micro_batches).backward()
            ema.count(samples=len(batch))
        optimizer.step()
        optimizer.zero_grad()
        ema.update()
    assert ema.seen == BASE_STEPS * BASE_BATCH
    return ema.averages["weight"]


def test_kappa_1_and_4_by_accumulation_and_by_batch_give_the_teacher_of_the_closed_form() -> None:
    assert_teacher(train(1, 1), 1)
    assert_teacher(train(KAPPA, KAPPA), KAPPA)
    assert_teacher(train(KAPPA, 1), KAPPA)


def by_ranks(out: Path) -> None:
    dist.init_process_group("gloo")
    torch.save(train(KAPPA, 1, KAPPA), out / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


def test_kappa_4_by_ranks_gives_it_too_and_the_same_bits_on_all(tmp_path: Path) -> None:
    on_ranks(by_ranks, tmp_path, KAPPA)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(KAPPA)]
    assert_teacher(found[0], KAPPA)
    assert all(torch.equal(other, found[0]) for other in found)


def steps_of_a_norm(model: nn.Module, ema: ScaledEMA, rank: int) -> None:
    for step in range(3):
        torch.manual_seed(10 * step + rank)
        model(torch.randn(6, 4)).square().mean().backward()
        ema.update(samples=6)


def of_two_ranks(out: Path) -> None:
    from torch.distributed.fsdp import fully_shard

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    with pytest.raises(UserError, match='say amounts="local"'):
        ScaledEMA(toy_model(), half_life_samples=5.0)
    # Running statistics are of each rank's own data.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    ema = ScaledEMA(model, half_life_samples=20.0, amounts="local")
    steps_of_a_norm(model, ema, rank)
    torch.save(ema.averages | {"own": model[1].running_mean}, out / f"norm-{rank}.pt")
    # Sharded and whole.
    finals = {}
    for kind in ("whole", "sharded"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1)).to(torch.bfloat16)
        if kind == "sharded":
            whole = ScaledEMA(model, half_life_samples=20.0, amounts="global")
            fully_shard(model)
            with pytest.raises(UserError, match=r"0.weight: added, removed, sharded"):
                whole.update(samples=1)
        ema = ScaledEMA(model, half_life_samples=20.0, correct_start=True, amounts="global")
        for step in range(3):
            torch.manual_seed(step)
            with torch.no_grad():
                for parameter in model.parameters():
                    full = torch.randn(parameter.shape)
                    if kind == "sharded":
                        from torch.distributed.tensor import distribute_tensor

                        full = distribute_tensor(full, parameter.device_mesh, parameter.placements)
                    parameter.copy_(full)
            ema.update(samples=8)
        again = ScaledEMA(model, half_life_samples=20.0, correct_start=True, amounts="global")
        again.load_state_dict(ema.state_dict())
        assert again.averages["0.weight"].dtype == torch.float32
        with again.swapped():
            finals[kind] = {k: t.full_tensor() if kind == "sharded" else t for k, t in again.averages.items()}
            finals[kind]["output"] = model(torch.ones(2, 4, dtype=torch.bfloat16)).detach()
        # A forward pass alone leaves the outermost parameters whole, with what they then hold.
        with torch.no_grad():
            own = model(torch.ones(2, 4, dtype=torch.bfloat16))
            with again.swapped():
                assert torch.equal(model(torch.ones(2, 4, dtype=torch.bfloat16)), finals[kind]["output"])
            assert torch.equal(model(torch.ones(2, 4, dtype=torch.bfloat16)), own)
            ema.update(samples=8)
    torch.save(finals, out / f"sharded-{rank}.pt")
    dist.destroy_process_group()


def test_running_statistics_are_the_same_on_all_ranks_and_sharded_models_average_as_whole_ones(tmp_path: Path) -> None:
    run: Callable[[Path], None] = of_two_ranks
    on_ranks(run, tmp_path, 2)
    one, two = (torch.load(tmp_path / f"norm-{rank}.pt") for rank in range(2))
    assert not torch.equal(one.pop("own"), two.pop("own"))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    for rank in range(2):
        finals = torch.load(tmp_path / f"sharded-{rank}.pt")
        for name, tensor in finals["whole"].items():
            assert torch.equal(tensor, finals["sharded"][name]), name
