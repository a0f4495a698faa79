"""From values tuned on a narrow model to those of a wide one, by the role that a parameter has.

Source: [Width] "Robust Layerwise Scaling Rules by Proper Weight Decay Tuning", 2025, abstract: with AdamW, lr ∝ 1/d and
λ ∝ √d for matrices, lr as it is and no decay for vectors. Which matrices grow with the width d is [μP]: Yang et al.,
"Tensor Programs V", 2022, table 3, for Adam.

Of [μP] also what are no learning rates: the head's initial weights, whose variance goes with 1/d² and not with 1/d, and
logits of attention, divided by a head's width and not by its root: that is the model's (`model.proxy_head_width`), and
makes no difference where a wide model has more heads and not wider ones.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from asr.errors import UserError

Role = Literal["input", "hidden", "output", "vector"]
"""input: a matrix or kernel whose fan-in stays as the width grows, such as an embedding or the first convolution;
output: one whose fan-out stays, such as the head; hidden: all other matrices; vector: biases, gains of norms."""
ROLES: tuple[Role, ...] = get_args(Role)


def _grows(role: Role, ratio: float) -> bool:
    """Whether a parameter's fan-in grows with the width. Raises UserError for another role, or a ratio that is none."""
    if role not in ROLES:
        raise UserError(f"role {role!r}: must be one of {', '.join(ROLES)}")
    if not 0 < ratio < math.inf:
        raise UserError(f"width ratio {ratio:g}: must be a number, more than 0")
    return role in ("hidden", "output")


def width_lr(lr: float, role: Role, ratio: float) -> float:
    """Learning rate of a model `ratio` times wider than the one `lr` was tuned on.

    A step changes what a layer puts out by about lr times its fan-in: where that grows, lr falls.
    """
    return lr / ratio if _grows(role, ratio) else lr


def width_decay(decay: float, role: Role, ratio: float) -> float:
    """Decoupled weight decay, likewise; with `width_lr` it keeps the largest singular value of hidden matrices."""
    grows = _grows(role, ratio)
    if role == "vector":
        return 0.0
    return decay * math.sqrt(ratio) if grows else decay


def width_init(role: Role, ratio: float) -> float:
    """What initial weights, drawn with a variance of 1 / fan-in, are multiplied with."""
    return 1 / math.sqrt(ratio) if _grows(role, ratio) and role == "output" else 1.0
