"""An exponential moving average of a model's weights whose half-life is an amount of data, not a number of steps."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn

from asr.errors import UserError
from asr.scaling.average import move_averages
from asr.scaling.recipe import Buffers, Recipe, Unit
from asr.scaling.rules import corrected_rate
from asr.scaling.tensors import named_tensors, shard_again

Amounts = Literal["global", "local"]


def _mean_over_ranks(tensors: dict[str, Tensor], ranks: int) -> dict[str, Tensor]:
    """In fp32, or in the highest precision that one of them has; in one transfer."""
    if ranks == 1 or not tensors:
        return tensors
    highest = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors.values()), torch.float32)
    flat = torch.cat([tensor.to(highest).flatten() for tensor in tensors.values()])
    dist.all_reduce(flat)
    parts = torch.split(flat / ranks, [tensor.numel() for tensor in tensors.values()])
    return {name: part.view_as(tensor) for (name, tensor), part in zip(tensors.items(), parts, strict=True)}


def _shadow(tensor: Tensor) -> Tensor:
    copied = tensor.detach().clone()
    # Halves of numbers cannot hold an average: a move of 1 − ρ is below their precision.
    return copied.float() if copied.dtype in (torch.bfloat16, torch.float16) else copied


class ScaledEMA:
    """An average of parameters and buffers, moved once per optimizer step by what the step held.

    Examples:
        >>> model = nn.Linear(2, 1)
        >>> ema = ScaledEMA(model, momentum=0.999, base_batch=256)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> for batch in torch.ones(16, 64, 2):             # micro-batches of 64 samples
        ...     (model(batch).mean() / 8).backward()        # the step's gradient is a mean over all of it
        ...     ema.count(samples=64)
        ...     if ema.counted == 512:                      # a step of two base batches
        ...         optimizer.step()
        ...         optimizer.zero_grad()
        ...         ema.update()
        >>> with ema.swapped():                             # evaluate the average
        ...     output = model(batch)

    At every batch size the average is one over the same data. Weights are averaged in fp32 at least. Parameters may be
    sharded (FSDP2): make the average after sharding. On several processes all must call `update` at every step.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        half_life_seconds: float | None = None,
        half_life_samples: float | None = None,
        momentum: float | None = None,
        base_batch: float | None = None,
        unit: Unit = "samples",
        buffers: Buffers = "average",
        correct_start: bool = False,
        amounts: Amounts | None = None,
    ) -> None:
        """Give one of `half_life_seconds`, `half_life_samples` and `momentum`.

        Args:
            model: with its weights on the device where they are trained, and sharded if they will be.
            half_life_seconds: of audio, over which an old model's weight in the average halves.
            half_life_samples: the same in samples.
            momentum: ρ of a step that holds `base_batch`; a step of κ times that moves by 1 − ρ^κ.
            base_batch: in `unit`.
            unit: of `base_batch`, and then of all that is counted.
            buffers: floating point ones are averaged or copied; integers are always copied.
            correct_start: leave the weights that the average began with out of it. The first update copies the model.
            amounts: needed where several processes train: global, each counts what all have done; local, each counts
                its own, and `update` sums.

        Raises:
            UserError: none of the three ways to say how long the average is, or several, or values without sense.
        """
        self.recipe = Recipe.of(
            half_life_seconds, half_life_samples, momentum, base_batch, unit, buffers, correct_start
        )
        if amounts not in (None, *get_args(Amounts)):
            raise UserError(f"amounts = {amounts!r}: must be one of {get_args(Amounts)}")
        self._ranks = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if self._ranks > 1 and amounts is None:
            raise UserError(
                f'{self._ranks} processes train: say amounts="local" if each will count its own part of a step, or '
                '"global" if each will count all of it'
            )
        self._sum = self._ranks > 1 and amounts == "local"
        self._model = model
        self.averages: dict[str, Tensor] = {name: _shadow(tensor) for name, tensor in self._tensors().items()}
        """By name; parameters, then buffers. `torch.func.functional_call(model, ema.averages, inputs)` uses them, of a
        model in fp32 that is neither wrapped nor compiled; with any other, `swapped` does."""
        self.counted = 0.0
        """Data since the last update."""
        self.seen = 0.0
        """Data in all updates."""
        self.weight = 0.0
        """Of all models seen, in an average whose start is corrected."""
        self._swapped = False

    def _tensors(self) -> dict[str, Tensor]:
        parameters, buffers = named_tensors(self._model)
        return parameters | buffers

    def count(self, *, seconds: float | None = None, samples: float | None = None) -> None:
        """Add data to the step that is being made, once per micro-batch.

        Raises:
            UserError: neither or both are given, or not in the unit of the recipe.
        """
        given = {"seconds": seconds, "samples": samples}
        amount = given.pop(self.recipe.unit)
        if amount is None or any(value is not None for value in given.values()):
            raise UserError(f"this average counts {self.recipe.unit}: give those, and those alone")
        # A tensor would count in its own precision.
        amount = float(amount)
        self.recipe.rate(amount)  # Raises where it is no amount.
        self.counted += amount

    @torch.no_grad()
    def update(self, *, seconds: float | None = None, samples: float | None = None) -> None:
        """After the optimizer's step: move the average by what the step held, given here or counted before.

        Raises:
            UserError: nothing was counted, or data were counted and are given; the model is not the one that the
                average was made of any more.
        """
        # What is refused is not counted.
        if self._swapped:
            raise UserError("the model holds the average at present: leave `swapped` before training goes on")
        parameters, buffers = named_tensors(self._model)
        self._check(parameters | buffers)
        if seconds is not None or samples is not None:
            if self.counted:
                raise UserError("this step's data were counted before: call update() without any")
            self.count(seconds=seconds, samples=samples)
        amount = self._over_ranks(self.counted)
        if amount == 0:
            raise UserError("update without any data counted: give seconds= or samples=, or call count() before")
        rate = self.recipe.rate(amount)
        if self.recipe.correct_start:
            rate, self.weight = corrected_rate(rate, self.weight)
        self._move(parameters, buffers, rate)
        self.counted, self.seen = 0.0, self.seen + amount

    def _over_ranks(self, amount: float) -> float:
        if not self._sum:
            return amount
        device = next(iter(self.averages.values())).device
        total = torch.tensor(amount, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return total.item()

    def _check(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            own = self.averages.get(name)
            if own is None or own.shape != tensor.shape or hasattr(own, "placements") != hasattr(tensor, "placements"):
                break
            if own.device != tensor.device:
                break
        else:
            if len(tensors) == len(self.averages):
                return
            name = next(iter(self.averages.keys() - tensors.keys()))
        raise UserError(
            f"{name}: added, removed, sharded, reshaped or moved to another device since the average was made; make it "
            "after all that"
        )

    def _move(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], rate: float) -> None:
        # Each rank's statistics are of its own data, and averages must be the same on all.
        running = {name: buffer for name, buffer in buffers.items() if buffer.is_floating_point()}
        tensors = parameters | buffers | _mean_over_ranks(running, self._ranks)
        whole = {name for name, own in self.averages.items() if not (own.is_floating_point() or own.is_complex())}
        copied = whole | (buffers.keys() if self.recipe.buffers == "copy" else set())
        moved = [name for name in self.averages if name not in copied]
        move_averages([self.averages[name] for name in moved], [tensors[name] for name in moved], rate)
        for name in copied:
            self.averages[name].copy_(tensors[name])
        for name in buffers.keys() - copied:
            # Masks and ranges may hold ∞, from which no average ever returns.
            own = self.averages[name]
            own.copy_(torch.where(own.isfinite(), own, tensors[name].to(own.dtype)))

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Give the average's weights and buffers to a model of the same names and shapes, in its own precision.

        Raises:
            UserError: they differ; nothing is given then.
        """
        parameters, buffers = named_tensors(model)
        tensors = parameters | buffers
        self._refuse_others({name: tensor.shape for name, tensor in tensors.items()}, "the model is not")
        for name, tensor in tensors.items():
            tensor.copy_(self.averages[name])

    def _refuse_others(self, shapes: Mapping[str, torch.Size], what: str) -> None:
        own = {name: tensor.shape for name, tensor in self.averages.items()}
        odd = {name for name in own.keys() | shapes.keys() if own.get(name) != shapes.get(name)}
        if odd:
            raise UserError(f"{min(odd)}: {what} that of this average ({len(odd)} names or shapes differ)")

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """While this lasts the model has the average's weights and buffers; then its own again, whatever happened.

        Weights are copied in and out, so that optimizers, DistributedDataParallel, shards and compiled code keep
        theirs; one more copy of the model is held meanwhile.
        """
        if self._swapped:
            raise UserError("the model holds the average already")
        tensors = self._tensors()
        self._check(tensors)
        own = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self._swapped = True
        try:
            self.copy_to(self._model)
            yield
        finally:
            shard_again(self._model)
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(own[name])
            self._swapped = False

    def state_dict(self) -> dict[str, Any]:
        """Averages, recipe and counts, for `torch.save`, or, sharded, for `torch.distributed.checkpoint`."""
        counts = {"counted": self.counted, "seen": self.seen, "weight": self.weight}
        return {"recipe": asdict(self.recipe), "averages": dict(self.averages), **counts}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any], *, change_recipe: bool = False) -> None:
        """Go on from a saved average.

        Args:
            state: of `state_dict`.
            change_recipe: go on with this average's own recipe where the saved one differs.

        Raises:
            UserError: the recipe differs and `change_recipe` was not given; names or shapes differ; it is no average.
        """
        lacking = {"recipe", "averages", "counted", "seen", "weight"} - state.keys()
        if lacking:
            raise UserError(f"not what ScaledEMA.state_dict gives: it lacks {', '.join(sorted(lacking))}")
        differ = self.recipe.differences(state["recipe"])
        if differ and not change_recipe:
            raise UserError(
                f"the saved average was made otherwise ({'; '.join(differ)}); make this one the same way, or load with "
                "change_recipe=True"
            )
        saved: Mapping[str, Tensor] = state["averages"]
        self._refuse_others({name: tensor.shape for name, tensor in saved.items()}, "the saved average is not")
        for name, tensor in saved.items():
            self.averages[name].copy_(tensor)
        self.counted, self.seen = float(state["counted"]), float(state["seen"])
        if state["recipe"]["unit"] != self.recipe.unit:
            self.counted = self.seen = 0.0
        # An average whose start is in it has all of its weight.
        self.weight = float(state["weight"]) if state["recipe"]["correct_start"] else 1.0
