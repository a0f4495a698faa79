"""A hook for SpeechBrain's Brain. It imports nothing of SpeechBrain's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from asr.scaling.ema import ScaledEMA


class EMAHook:
    """Moves a `ScaledEMA` once per optimizer step, however many batches are accumulated, by what they held.

        class Recognizer(sb.Brain):
            def init_optimizers(self):              # between wrapping the modules and loading a checkpoint
                super().init_optimizers()
                average = ScaledEMA(self.modules, half_life_seconds=7200, amounts="local")
                self.ema = EMAHook(average, amount=lambda batch: batch.seconds.sum().item())
                if self.checkpointer is not None:
                    self.checkpointer.add_recoverable("ema", self.ema, EMAHook.load, EMAHook.save)

            def on_fit_batch_end(self, batch, outputs, loss, should_step):
                self.ema.after_batch(batch, should_step)

    and, around an evaluation, `with brain.ema.average.swapped():`.
    """

    def __init__(self, average: ScaledEMA, amount: Callable[[Any], float]) -> None:
        """`amount` of data in a batch, in the unit of the recipe: of this process's batch under amounts="local"."""
        self.average, self._amount = average, amount

    def after_batch(self, batch: Any, should_step: bool) -> None:
        """In `on_fit_batch_end`: `should_step` says whether the optimizer moved after this batch."""
        self.average.count(**{self.average.recipe.unit: self._amount(batch)})
        if should_step:
            self.average.update()

    def save(self, path: Path) -> None:
        torch.save(self.average.state_dict(), path)

    def load(self, path: Path, end_of_epoch: bool) -> None:
        """As SpeechBrain's checkpointer calls it; where in an epoch the checkpoint was made makes no difference."""
        del end_of_epoch
        self.average.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
