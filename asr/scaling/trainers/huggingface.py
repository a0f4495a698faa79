"""A callback for the Trainer of Hugging Face Transformers."""

# ruff: noqa: ARG002 (the arguments are those of the Trainer's hooks)

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from asr.errors import UserError
from asr.scaling.ema import ScaledEMA
from asr.scaling.tensors import bit_sums

FILE = "scaled_ema.pt"


class EMACallback(TrainerCallback):  # type: ignore[misc]
    """Moves a `ScaledEMA` once per optimizer step, however many batches are accumulated, by what they held.

        EMACallback(
            lambda model: ScaledEMA(model, half_life_samples=1e6, amounts="local"),
            amount=lambda inputs: len(inputs["input_values"]),
        )

    The Trainer evaluates the model's own weights; for the average, `with callback.ema.swapped(): trainer.evaluate()`.
    Checkpoints get the average as `scaled_ema.pt`. Of several forward passes over a batch the first is counted. Not for
    sharded models.
    """

    def __init__(
        self,
        make: Callable[[nn.Module], ScaledEMA],
        amount: Callable[[dict[str, Any]], float],
        checkpoint: Path | str | None = None,
    ) -> None:
        """
        Args:
            make: called once the model is on its device.
            amount: of data in the model's keyword arguments, in the unit of the recipe: of this process's batch under
                amounts="local".
            checkpoint: that training goes on from, where it lies elsewhere than in `output_dir`; no callback is told.
        """
        self._make, self._amount = make, amount
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._ema: ScaledEMA | None = None
        self._hook: RemovableHandle | None = None
        self._counted = False

    @property
    def ema(self) -> ScaledEMA:
        """The average. Raises UserError before training starts."""
        if self._ema is None:
            raise UserError("there is no average before training starts")
        return self._ema

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        if args.n_gpu > 1:
            # Its replicas would count their parts of a batch at once, each in a thread.
            raise UserError(
                f"the Trainer would use {args.n_gpu} devices by nn.DataParallel, under which data cannot be counted; "
                "start it with torchrun, one process a device, or let it see one (CUDA_VISIBLE_DEVICES)"
            )
        self._ema, self._counted = self._make(model), False
        if state.global_step:
            path = self._file(args, state) if self._checkpoint is None else self._checkpoint / FILE
            if path.is_file():
                self._load(path, model)
            else:
                warnings.warn(
                    f"{path}: not found; training goes on with a new average. Where the checkpoint lies elsewhere, "
                    "name it: EMACallback(…, checkpoint=PATH)",
                    stacklevel=2,
                )
        # Callbacks are not told what is in a batch. A training that failed has left its hook.
        self._unhook()
        self._hook = model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _load(self, path: Path, model: nn.Module) -> None:
        """Raises UserError where the average was saved beside other weights than those that training goes on with."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state.pop("beside", None) != bit_sums(model).tolist():
            raise UserError(
                f"{path}: saved beside other weights than those that training goes on with; name the checkpoint: "
                "EMACallback(…, checkpoint=PATH)"
            )
        self.ema.load_state_dict(state)

    def _count(self, model: nn.Module, positional: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        if model.training and not self._counted:
            self.ema.count(**{self.ema.recipe.unit: self._amount(inputs)})
            self._counted = True

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._counted = False

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._counted = False
        self.ema.update()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            torch.save(self.ema.state_dict() | {"beside": bit_sums(model).tolist()}, self._file(args, state))

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._unhook()

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _file(self, args: TrainingArguments, state: TrainerState) -> Path:
        return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}" / FILE
