"""How training follows the batch size: the rules as functions of numbers, and an EMA and optimizers that keep to them.

Importing this imports no torch; `ScaledEMA`, `move_averages` and `scale_optimizer` do so when they are first asked for.

>>> from asr.scaling import ema_rate, half_life_hours
>>> ema_rate(momentum=0.999, kappa=8)            # how far a teacher moves in a step of 8 base batches
0.00797...
>>> half_life_hours(momentum=0.999, base_seconds=60)
11.54...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asr.scaling.adascale import Noise, Smoothed, estimate_noise
from asr.scaling.clipping import RunningClip
from asr.scaling.recipe import Recipe
from asr.scaling.rules import (
    MuonValues,
    OptimizerValues,
    corrected_rate,
    ema_rate,
    epoch_weight,
    half_life_hours,
    largest_linear_scale,
    momentum_of_epoch_weight,
    momentum_of_half_life,
    scale_adam,
    scale_adamw,
    scale_beta,
    scale_decay,
    scale_muon,
    scale_sgd,
)
from asr.scaling.width import width_decay, width_init, width_lr

if TYPE_CHECKING:
    from asr.scaling.average import move_averages
    from asr.scaling.ema import ScaledEMA
    from asr.scaling.optimizers import scale_optimizer

__all__ = [
    "MuonValues",
    "Noise",
    "OptimizerValues",
    "Recipe",
    "RunningClip",
    "ScaledEMA",
    "Smoothed",
    "corrected_rate",
    "ema_rate",
    "epoch_weight",
    "estimate_noise",
    "half_life_hours",
    "largest_linear_scale",
    "momentum_of_epoch_weight",
    "momentum_of_half_life",
    "move_averages",
    "scale_adam",
    "scale_adamw",
    "scale_beta",
    "scale_decay",
    "scale_muon",
    "scale_optimizer",
    "scale_sgd",
    "width_decay",
    "width_init",
    "width_lr",
]


def __getattr__(name: str) -> Any:
    if name == "ScaledEMA":
        from asr.scaling.ema import ScaledEMA

        return ScaledEMA
    if name == "move_averages":
        from asr.scaling.average import move_averages

        return move_averages
    if name == "scale_optimizer":
        from asr.scaling.optimizers import scale_optimizer

        return scale_optimizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
