"""Where a run stands, beside its tensors: what a checkpoint's `state.json` holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asr.pseudo.strategy import Position
from asr.step.clock import Clock
from asr.step.planner import Owed, Positions
from asr.train.metrics import Totals


def _finite(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{value!r} where a number of batches should be")
    return value


def _position(values: Sequence[int]) -> Position:
    epoch, offset = values
    if not (0 <= epoch < 2**31 and 0 <= offset < 2**31):
        raise ValueError(f"{values!r} where an epoch and a micro-batch should be")
    return epoch, offset


def _owed(values: Sequence[float]) -> Owed:
    labeled, unlabeled = values
    if not (math.isfinite(labeled) and math.isfinite(unlabeled)):
        raise ValueError(f"{values!r} where seconds should be")
    return labeled, unlabeled


def _positions(content: dict[str, Any]) -> Positions:
    shapes = content["shapes"]
    return Positions(
        _position(content["labeled"]),
        _position(content["unlabeled"]),
        bool(content["started"]),
        tuple(_position(slot) for slot in content["slots"]),
        None if shapes is None else (_finite(shapes[0]), _finite(shapes[1])),
        _owed(content.get("owed", (0.0, 0.0))),
    )


@dataclass
class RunState:
    """Of all ranks together; `totals` and `unreadable` are kept by the first one, so that they are counted once."""

    clock: Clock
    positions: Positions = field(default_factory=Positions)
    totals: Totals = field(default_factory=Totals)
    """Since the last log line, of this rank; in a checkpoint, of all."""
    dev_rates: dict[str, float] = field(default_factory=dict)
    """The teacher's at the last evaluation, by dev subset."""
    skipped_in_a_row: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    """Errors by utterance id, of all ranks, up to the newest checkpoint."""

    @property
    def dev_wer(self) -> float | None:
        """The mean over dev subsets; None before the first evaluation."""
        return sum(self.dev_rates.values()) / len(self.dev_rates) if self.dev_rates else None

    def content(self, totals: Totals) -> dict[str, Any]:
        """As JSON knows it, with the `totals` of all ranks."""
        positions = self.positions
        return {
            "base_steps": self.clock.base_steps,
            "base_batches": self.clock.base_batches,
            "hours": self.clock.hours,
            "positions": {
                "labeled": list(positions.labeled),
                "unlabeled": list(positions.unlabeled),
                "started": positions.started,
                "slots": [list(slot) for slot in positions.slots],
                "shapes": None if positions.shapes is None else list(positions.shapes),
                "owed": list(positions.owed),
            },
            "totals": totals.values(),
            "dev_wer": self.dev_wer,
            "dev_rates": self.dev_rates,
            "skipped_in_a_row": self.skipped_in_a_row,
            "unreadable": dict(sorted(self.unreadable.items())),
        }

    @classmethod
    def of(cls, content: dict[str, Any], base_seconds: float, step: int) -> RunState:
        """What `content` was made of. Raises KeyError, TypeError or ValueError where it is something else."""
        steps, batches = (_finite(content[name]) for name in ("base_steps", "base_batches"))
        return cls(
            Clock(base_seconds, step, steps, batches),
            _positions(content["positions"]),
            Totals.of(content["totals"]),
            {str(subset): float(rate) for subset, rate in content.get("dev_rates", {}).items()},
            content["skipped_in_a_row"],
            dict(content["unreadable"]),
        )
