"""A callback for Lightning's Trainer."""

# ruff: noqa: ARG002 (the arguments are those of Lightning's hooks)

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from asr.errors import UserError
from asr.scaling.ema import ScaledEMA


class EMACallback(Callback):  # type: ignore[misc]
    """Moves a `ScaledEMA` once per optimizer step, however many batches are accumulated, by what they held.

        EMACallback(
            lambda model: ScaledEMA(model, half_life_seconds=7200, amounts="local"),
            amount=lambda batch: batch["seconds"].sum().item(),
        )

    Validation runs on the average. Lightning's checkpoints hold the average, beside the model's own weights.
    """

    def __init__(self, make: Callable[[LightningModule], ScaledEMA], amount: Callable[[Any], float]) -> None:
        """
        Args:
            make: called once the model is on its device.
            amount: of data in a batch, in the unit of the recipe: of this process's batch under amounts="local".
        """
        self._make, self._amount = make, amount
        self._ema: ScaledEMA | None = None
        self._model: LightningModule | None = None
        self._saved: dict[str, Any] | None = None
        self._fits = self._goes_on = False
        self._steps = 0
        self._evaluation = ExitStack()

    @property
    def ema(self) -> ScaledEMA:
        """The average. Raises UserError before training starts."""
        if self._ema is None:
            raise UserError("there is no average before training starts")
        return self._ema

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._fits, self._goes_on = True, self._model is pl_module
        if not self._goes_on:
            self._ema, self._model = self._make(pl_module), pl_module
        if self._saved is not None:
            self.load_state_dict(self._saved)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps = trainer.global_step
        if self._steps and not self._goes_on:
            warnings.warn(
                f"training goes on from step {self._steps} with a new average: its checkpoint has none", stacklevel=2
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.ema.count(**{self.ema.recipe.unit: self._amount(batch)})
        if trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.ema.update()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Validation on its own has no average, and before training it is the model itself.
        if self._ema is not None and trainer.state.fn == "fit":
            self._evaluation.enter_context(self._ema.swapped())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._evaluation.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._evaluation.close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._fits, self._saved = False, None

    def state_dict(self) -> dict[str, Any]:
        return (self._saved or {}) if self._ema is None else self._ema.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Sharding strategies restore after the average was made; else it waits for the model.
        if self._fits and self._ema is not None:
            self._ema.load_state_dict(state_dict)
            self._goes_on = True
        else:
            self._saved = state_dict
