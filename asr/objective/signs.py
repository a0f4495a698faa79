"""Signs of collapse: what a representation looks like that has stopped to tell one frame from another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

NAMES = ("loss", "target_variance", "prediction_variance", "rank")
"""What is measured of a micro-batch, in this order, after the number of frames that count."""
LEAST = {"target_variance": 0.01, "prediction_variance": 0.001, "rank": 1.5}
"""Below which a representation has collapsed. Predictions begin at 0 and count from the end of the warm-up on."""


def variance(values: Tensor, used: Tensor) -> Tensor:
    """Mean over channels of the variance over frames: 0 where all frames are alike.

    Args:
        values: `(…, channels)`.
        used: frames that count, `(…)`.
    """
    return _centre(values, used).square().mean(-1).sum() / used.sum().clamp(min=1)


def effective_rank(values: Tensor, used: Tensor) -> Tensor:
    """Directions in which frames vary: (Σ λ)² / Σ λ², with the eigenvalues λ of their covariance.

    The participation ratio: n where n directions have one variance and the others none. It is had without finding λ,
    as Σ λ is the trace and Σ λ² the squared Frobenius norm. 0 where nothing varies. Arguments as those of `variance`.
    """
    centred = _centre(values, used).flatten(0, -2)
    covariance = centred.T @ centred
    trace = covariance.diagonal().sum()
    return trace.square() / covariance.square().sum().clamp(min=1e-20)


def _centre(values: Tensor, used: Tensor) -> Tensor:
    weights = used[..., None].to(values.dtype)
    axes = tuple(range(values.ndim - 1))
    mean = (values * weights).sum(axes) / weights.sum().clamp(min=1)
    return (values - mean) * weights


@torch.no_grad()
def measure(errors: Tensor, targets: Tensor, predictions: Tensor, used: Tensor) -> Tensor:
    """Frames that count, and each of `NAMES` times so many, `(5,)`: sums of them over micro-batches have a mean.

    Args:
        errors: of each frame, `(batch, frames)`.
        targets: `(batch, frames, channels)`, scaled so that channels have a variance of about 1 at most.
        predictions: likewise.
        used: frames that count, `(batch, frames)`.
    """
    count = used.sum()
    loss = (errors * used).sum() / count.clamp(min=1)
    found = (loss, variance(targets, used), variance(predictions, used), effective_rank(targets, used))
    return torch.cat((count[None].float(), torch.stack(found).float() * count))


def collapsed(found: Mapping[str, float], warmed_up: bool) -> str:
    """How a representation has collapsed, from the means of `NAMES`; nothing where it has not."""
    for name, least in LEAST.items():
        if found[name] < least and (warmed_up or name != "prediction_variance"):
            what = f"effective {name}" if name == "rank" else name.replace("_", " ")
            return f"the representation has collapsed: {what} {found[name]:.3g}, under {least:g}"
    return ""
