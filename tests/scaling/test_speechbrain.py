"""With the real package, where it is installed."""

# ruff: noqa: ARG002 (the arguments are those of SpeechBrain's methods)

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import BASE_BATCH, BASE_STEPS, KAPPA, LR, MOMENTUM, SAMPLE, assert_teacher, on_ranks, toy_model

from asr.errors import UserError
from asr.scaling import ScaledEMA
from asr.scaling.trainers.speechbrain import EMAHook

speechbrain = pytest.importorskip("speechbrain", reason="the extra `speechbrain` is not installed")


class Toy(speechbrain.Brain):  # type: ignore[misc, name-defined]
    momentum = MOMENTUM

    def compute_forward(self, batch: torch.Tensor, stage: Any) -> torch.Tensor:
        return self.modules.net(batch)

    def compute_objectives(self, predictions: torch.Tensor, batch: torch.Tensor, stage: Any) -> torch.Tensor:
        return predictions.mean()

    def init_optimizers(self) -> None:
        super().init_optimizers()
        average = ScaledEMA(self.modules, momentum=self.momentum, base_batch=BASE_BATCH, amounts="local")
        self.ema = EMAHook(average, amount=len)
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("model", self.modules)
            self.checkpointer.add_recoverable("ema", self.ema, EMAHook.load, EMAHook.save)

    def on_fit_batch_end(self, batch: torch.Tensor, outputs: Any, loss: Any, should_step: bool) -> None:
        self.ema.after_batch(batch, should_step)


def fit(kappa: int = KAPPA, batch: int = BASE_BATCH, accumulate: int = 1, out: Path | None = None) -> Toy:
    from speechbrain.utils.checkpoints import Checkpointer

    options = {"device": "cpu", "noprogressbar": True, "distributed_backend": "gloo"}
    brain = Toy(
        modules={"net": toy_model()},
        opt_class=lambda parameters: torch.optim.SGD(parameters, lr=LR * kappa),
        hparams={},
        run_opts=options | {"grad_accumulation_factor": accumulate},
        checkpointer=None if out is None else Checkpointer(out),
    )
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    data: Any = [SAMPLE] * (BASE_STEPS * BASE_BATCH // ranks)
    brain.fit(range(1), torch.utils.data.DataLoader(data, batch_size=batch))
    return brain


def test_kappa_1_and_4_by_accumulation_and_by_batch_give_the_teacher_of_the_closed_form() -> None:
    assert_teacher(fit(kappa=1).ema.average.averages["net.weight"], 1)
    assert_teacher(fit(accumulate=KAPPA).ema.average.averages["net.weight"], KAPPA)
    assert_teacher(fit(batch=KAPPA * BASE_BATCH).ema.average.averages["net.weight"], KAPPA)


def by_ranks(out: Path) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo")
    torch.save(fit().ema.average.averages["net.weight"], out / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


def test_kappa_4_by_ranks_gives_it_too(tmp_path: Path) -> None:
    on_ranks(by_ranks, tmp_path, KAPPA, ("speechbrain",))
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(KAPPA)]
    assert_teacher(found[0], KAPPA)
    assert all(torch.equal(other, found[0]) for other in found)


def test_its_checkpointer_saves_and_loads_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brain = fit(accumulate=KAPPA, out=tmp_path)
    saved = brain.ema.average.averages["net.weight"].clone()
    brain.checkpointer.save_checkpoint()
    resumed = fit(accumulate=KAPPA, out=tmp_path)
    assert resumed.ema.average.seen == 2 * brain.ema.average.seen
    resumed.checkpointer.recover_if_possible()
    assert torch.equal(resumed.ema.average.averages["net.weight"], saved)
    monkeypatch.setattr(Toy, "momentum", 0.99)
    with pytest.raises(UserError, match="was made otherwise"):
        fit(out=tmp_path)
