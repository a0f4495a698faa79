"""With the real package, where it is installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy import BASE_BATCH, BASE_STEPS, KAPPA, LR, MOMENTUM, SAMPLE, assert_teacher, on_ranks, toy_model

from asr.errors import UserError
from asr.scaling import ScaledEMA

transformers = pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
pytest.importorskip("accelerate", reason="the extra `transformers` is not installed")


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.fails, self.again = toy_model(), False, False

    def forward(self, sample: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.fails:
            raise ZeroDivisionError
        if self.again:
            self.again = False
            loss: dict[str, torch.Tensor] = self(sample=sample)
            self.again = True
            return loss
        return {"loss": self.net(sample).mean()}


class Data(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return BASE_STEPS * BASE_BATCH

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"sample": SAMPLE}


def fit(
    out: Path, kappa: int = KAPPA, batch: int = BASE_BATCH, accumulate: int = 1, **given: Any
) -> tuple[Toy, ScaledEMA]:
    from asr.scaling.trainers.huggingface import EMACallback

    momentum, resume = given.pop("momentum", MOMENTUM), given.pop("resume", None)
    fails, again = given.pop("fails", False), given.pop("again", False)
    callback = EMACallback(
        lambda model: ScaledEMA(model, momentum=momentum, base_batch=BASE_BATCH, amounts="local"),
        amount=lambda inputs: len(inputs["sample"]),
        checkpoint=given.pop("checkpoint", None),
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(out),
        use_cpu=True,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        max_grad_norm=0.0,
        save_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        ddp_backend="gloo" if "RANK" in os.environ else None,
        **{"num_train_epochs": 1} | given,
    )
    model = Toy()
    model.again = again
    optimizer = torch.optim.SGD(model.parameters(), lr=LR * kappa)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    trainer = transformers.Trainer(
        model, arguments, train_dataset=Data(), callbacks=[callback], optimizers=(optimizer, constant)
    )
    if fails:
        model.fails = True
        with pytest.raises(ZeroDivisionError):
            trainer.train()
        model.fails = False
    trainer.train(resume_from_checkpoint=resume)
    with callback.ema.swapped():
        assert torch.equal(model.net.weight, callback.ema.averages["net.weight"])
    return model, callback.ema


def test_kappa_1_and_4_by_accumulation_and_by_batch_give_the_teacher_of_the_closed_form(tmp_path: Path) -> None:
    assert_teacher(fit(tmp_path / "1", kappa=1)[1].averages["net.weight"], 1)
    assert_teacher(fit(tmp_path / "2", accumulate=KAPPA)[1].averages["net.weight"], KAPPA)
    assert_teacher(fit(tmp_path / "3", batch=KAPPA * BASE_BATCH)[1].averages["net.weight"], KAPPA)


def by_ranks(out: Path) -> None:
    _, ema = fit(out)
    torch.save(ema.averages["net.weight"], out / f"{os.environ['RANK']}.pt")


def test_kappa_4_by_ranks_gives_it_too(tmp_path: Path) -> None:
    on_ranks(by_ranks, tmp_path, KAPPA, ("transformers.trainer", "accelerate"))
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(KAPPA)]
    assert_teacher(found[0], KAPPA)
    assert all(torch.equal(other, found[0]) for other in found)


def test_a_checkpoint_holds_the_average_and_another_recipe_is_refused(tmp_path: Path) -> None:
    _, half = fit(tmp_path, accumulate=KAPPA)
    _, whole = fit(tmp_path, accumulate=KAPPA, num_train_epochs=2, resume=True)
    assert whole.seen == 2 * half.seen
    _, straight = fit(tmp_path / "straight", accumulate=KAPPA, num_train_epochs=2)
    torch.testing.assert_close(whole.averages["net.weight"], straight.averages["net.weight"], rtol=1e-12, atol=0)
    with pytest.raises(UserError, match="was made otherwise"):
        fit(tmp_path, accumulate=KAPPA, num_train_epochs=3, momentum=0.99, resume=True)
    for file in tmp_path.rglob("scaled_ema.pt"):
        file.unlink()
    with pytest.warns(UserWarning, match=r"scaled_ema.pt: not found; training goes on with a new average"):
        fit(tmp_path, accumulate=KAPPA, num_train_epochs=3, resume=True)


def test_an_average_that_was_saved_beside_other_weights_is_refused(tmp_path: Path) -> None:
    fit(tmp_path / "1", accumulate=KAPPA)
    checkpoint = next((tmp_path / "1").glob("checkpoint-*"))
    # As far, but of another training.
    fit(tmp_path / "2", kappa=1, accumulate=KAPPA)
    assert (tmp_path / "2" / checkpoint.name / "scaled_ema.pt").is_file()
    with pytest.raises(UserError, match=r"saved beside other weights than those.*name the checkpoint"):
        fit(tmp_path / "2", accumulate=KAPPA, num_train_epochs=2, resume=str(checkpoint))
    _, ema = fit(
        tmp_path / "2", accumulate=KAPPA, num_train_epochs=2, resume=str(checkpoint), checkpoint=str(checkpoint)
    )
    _, straight = fit(tmp_path / "3", accumulate=KAPPA, num_train_epochs=2)
    torch.testing.assert_close(ema.averages["net.weight"], straight.averages["net.weight"], rtol=1e-12, atol=0)


def test_a_batch_counts_once_after_a_training_that_failed_and_in_two_passes(tmp_path: Path) -> None:
    _, once = fit(tmp_path / "1", accumulate=KAPPA)
    _, failed = fit(tmp_path / "2", accumulate=KAPPA, fails=True)
    _, twice = fit(tmp_path / "3", accumulate=KAPPA, again=True)
    assert failed.seen == twice.seen == once.seen == BASE_STEPS * BASE_BATCH


def test_replicas_that_would_count_at_once_are_refused_and_a_digest_knows_no_order(tmp_path: Path) -> None:
    from asr.scaling.tensors import bit_sums
    from asr.scaling.trainers.huggingface import EMACallback

    callback = EMACallback(lambda model: ScaledEMA(model, half_life_samples=1.0), amount=len)
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    arguments._n_gpu = 2
    with pytest.raises(UserError, match=r"2 devices by nn.DataParallel.*start it with torchrun"):
        callback.on_train_begin(arguments, transformers.TrainerState(), transformers.TrainerControl(), model=Toy())
    # Another number of threads adds up in another order.
    one, other = nn.Linear(500, 400), nn.Linear(500, 400)
    with torch.no_grad():
        other.weight.copy_(one.weight.flip(0, 1))
        other.bias.copy_(one.bias.flip(0))
    assert torch.equal(bit_sums(one), bit_sums(other))
