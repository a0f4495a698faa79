"""How an average follows the data: what a checkpoint of it must agree with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from asr.errors import UserError

Unit = Literal["seconds", "samples"]
Buffers = Literal["average", "copy"]


@dataclass(frozen=True)
class Recipe:
    """Batch size is no part of it: the half-life is in data.

    >>> Recipe.of(momentum=0.999, base_batch=60, unit="seconds").half_life
    41568.0...
    """

    half_life: float
    """Data over which an old weight counts for half; 0: the average is the last model."""
    unit: Unit
    """What data is counted in."""
    buffers: Buffers = "average"
    correct_start: bool = False

    @staticmethod
    def of(
        half_life_seconds: float | None = None,
        half_life_samples: float | None = None,
        momentum: float | None = None,
        base_batch: float | None = None,
        unit: Unit = "samples",
        buffers: Buffers = "average",
        correct_start: bool = False,
    ) -> Recipe:
        """From whichever of the three forms is given; see `ScaledEMA`.

        Raises:
            UserError: none, or more than one, or values that make no sense.
        """
        given = [half_life_seconds, half_life_samples, momentum]
        if sum(value is not None for value in given) != 1:
            raise UserError("give one of half_life_seconds, half_life_samples and momentum (with base_batch)")
        if unit not in get_args(Unit) or buffers not in get_args(Buffers):
            raise UserError(f"unit {unit!r}, buffers {buffers!r}: must be of {get_args(Unit)} and {get_args(Buffers)}")
        if momentum is not None:
            if base_batch is None or not 0 < base_batch < math.inf:
                raise UserError(f"momentum needs base_batch, the {unit} that it is meant for; found {base_batch}")
            if not 0 <= momentum < 1:
                raise UserError(f"momentum = {momentum}: must be at least 0 and less than 1")
            half_life = base_batch * math.log(2) / -math.log(momentum) if momentum else 0.0
            return Recipe(half_life, unit, buffers, correct_start)
        if base_batch is not None:
            raise UserError("base_batch belongs to momentum; a half-life needs none")
        if unit == "seconds" and half_life_samples is not None:
            raise UserError("half_life_samples counts samples, and unit seconds; give half_life_seconds")
        unit, length = ("samples", half_life_samples) if half_life_seconds is None else ("seconds", half_life_seconds)
        if length is None or not 0 <= length < math.inf:
            raise UserError(f"half-life of {length} {unit}: must be a number, at least 0")
        return Recipe(float(length), unit, buffers, correct_start)

    def rate(self, amount: float) -> float:
        """1 − ρ^κ of a step that held `amount` of data."""
        if not 0 <= amount < math.inf:
            raise UserError(f"a step of {amount} {self.unit}: must be a number, at least 0")
        if self.half_life == 0:
            return 1.0 if amount else 0.0
        return -math.expm1(-amount * math.log(2) / self.half_life)

    def differences(self, saved: Mapping[str, Any]) -> list[str]:
        """What differs in a saved recipe, as `name: saved → own`."""
        own, found = asdict(self), [f.name for f in fields(self)]

        def same(name: str) -> bool:
            a, b = own[name], saved.get(name)
            if isinstance(a, float) and isinstance(b, float):
                # The same half-life may have come from another batch's momentum.
                return math.isclose(a, b, rel_tol=1e-9)
            return bool(a == b)

        return [f"{name}: {saved.get(name)!r} → {own[name]!r}" for name in found if not same(name)]
