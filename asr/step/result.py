"""What a training step came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from asr.objective import signs
from asr.pseudo.label import Label
from asr.pseudo.pseudo_labels import Tally


@dataclass
class StepResult:
    """`loss_*` are summed over this rank's `utterances_*`, in nats."""

    loss_labeled: float = 0.0
    loss_unlabeled: float = 0.0
    utterances_labeled: int = 0
    utterances_unlabeled: int = 0
    grad_norm: float = 0.0
    moved: bool = False
    """False where loss or gradient were not finite: nothing was changed."""
    tally: Tally = field(default_factory=Tally)
    clipped: bool = False
    gain: float = 1.0
    """Base steps that this one is worth: κ, or what AdaScale measured."""
    learning_rate: float = 0.0
    teacher_rate: float = 0.0
    signs: Sequence[float] = (0.0,) * (1 + len(signs.NAMES))
    """Of collapse, summed over frames; see `asr.objective.signs`."""
    losses: dict[int, Tensor] = field(default_factory=dict)
    """Of each micro-batch by its index, as far as it is here, still on the device."""
    labels: list[tuple[int, Label]] = field(default_factory=list)
    """Index of the micro-batch, and label, for all that were made, kept or not."""
