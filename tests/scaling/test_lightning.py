"""With the real package, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy import BASE_BATCH, BASE_STEPS, KAPPA, LR, MOMENTUM, SAMPLE, assert_teacher, on_ranks, toy_model

from asr.errors import UserError
from asr.scaling import ScaledEMA

lightning = pytest.importorskip("lightning.pytorch", reason="the extra `lightning` is not installed")


class Toy(lightning.LightningModule):  # type: ignore[misc, name-defined]
    def __init__(self, lr: float) -> None:
        super().__init__()
        self.net, self.lr = toy_model(), lr
        self.validated: list[torch.Tensor] = []

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return self.net(batch).mean()

    def validation_step(self, _batch: torch.Tensor, _: int) -> None:
        self.validated.append(self.net.weight.detach().clone())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Data(torch.utils.data.Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return BASE_STEPS * BASE_BATCH

    def __getitem__(self, index: int) -> torch.Tensor:
        return SAMPLE


def make_trainer(callback: Any, out: Path, ranks: int = 1, **given: Any) -> Any:
    return lightning.Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        **given,
    )


def fit(
    out: Path, kappa: int = KAPPA, batch: int = BASE_BATCH, accumulate: int = 1, ranks: int = 1, **given: Any
) -> tuple[Toy, ScaledEMA]:
    from asr.scaling.trainers.lightning import EMACallback

    momentum, resume = given.pop("momentum", MOMENTUM), given.pop("resume", None)
    callback = EMACallback(
        lambda model: ScaledEMA(model, momentum=momentum, base_batch=BASE_BATCH, amounts="local"), amount=len
    )
    trainer = make_trainer(callback, out, ranks, accumulate_grad_batches=accumulate, **{"max_epochs": 1} | given)
    model, loader = Toy(LR * kappa), torch.utils.data.DataLoader(Data(), batch_size=batch)
    trainer.fit(model, loader, torch.utils.data.DataLoader(Data(), batch_size=24), ckpt_path=resume)
    if resume is None:
        trainer.save_checkpoint(out / "last.ckpt")
    return model, callback.ema


def test_kappa_1_and_4_by_accumulation_and_by_batch_give_the_teacher_of_the_closed_form(tmp_path: Path) -> None:
    assert_teacher(fit(tmp_path, kappa=1)[1].averages["net.weight"], 1)
    assert_teacher(fit(tmp_path, accumulate=KAPPA)[1].averages["net.weight"], KAPPA)
    assert_teacher(fit(tmp_path, batch=KAPPA * BASE_BATCH)[1].averages["net.weight"], KAPPA)


def by_ranks(out: Path) -> None:
    import os

    _, ema = fit(out, ranks=KAPPA)
    torch.save(ema.averages["net.weight"], out / f"{os.environ['RANK']}.pt")


def test_kappa_4_by_ranks_gives_it_too(tmp_path: Path) -> None:
    on_ranks(by_ranks, tmp_path, KAPPA, ("lightning.pytorch",))
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(KAPPA)]
    assert_teacher(found[0], KAPPA)
    assert all(torch.equal(other, found[0]) for other in found)


def test_validation_sees_the_average_and_training_the_model(tmp_path: Path) -> None:
    model, ema = fit(tmp_path, accumulate=KAPPA)
    # Before training, and after its epoch.
    assert torch.equal(model.validated[-1], ema.averages["net.weight"])
    assert not torch.equal(model.net.weight, model.validated[-1])


def test_a_checkpoint_holds_the_average_and_another_recipe_is_refused(tmp_path: Path) -> None:
    _, half = fit(tmp_path, accumulate=KAPPA)
    _, whole = fit(tmp_path, accumulate=KAPPA, max_epochs=2, resume=tmp_path / "last.ckpt")
    assert whole.seen == 2 * half.seen
    _, straight = fit(tmp_path, accumulate=KAPPA, max_epochs=2)
    torch.testing.assert_close(whole.averages["net.weight"], straight.averages["net.weight"], rtol=1e-12, atol=0)
    with pytest.raises(UserError, match="was made otherwise"):
        fit(tmp_path, accumulate=KAPPA, max_epochs=3, momentum=0.99, resume=tmp_path / "last.ckpt")


def test_a_second_fit_goes_on_with_the_average_and_another_model_has_its_own(tmp_path: Path) -> None:
    from asr.scaling.trainers.lightning import EMACallback

    fit(tmp_path)
    callback = EMACallback(
        lambda model: ScaledEMA(model, momentum=MOMENTUM, base_batch=BASE_BATCH, amounts="local"), amount=len
    )
    loader = torch.utils.data.DataLoader(Data(), batch_size=BASE_BATCH)
    model, one = Toy(LR * KAPPA), make_trainer(callback, tmp_path, max_epochs=2)
    one.fit(model, loader, ckpt_path=tmp_path / "last.ckpt")
    assert callback.ema.seen == 2 * len(Data())
    one.fit_loop.max_epochs = 3
    one.fit(model, loader)
    assert callback.ema.seen == 3 * len(Data())
    other = Toy(LR)
    make_trainer(callback, tmp_path, max_epochs=1).fit(other, loader)
    assert callback.ema.seen == len(Data())
