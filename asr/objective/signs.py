"""Signs of collapse: what a representation looks like that has stopped to tell one frame from another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

NAMES = ("loss", "target_variance", "prediction_variance", "rank")
"""What is measured of a micro-batch, in this order, after the number of frames that count."""
LEAST = {"target_variance": 0.01, "prediction_variance": 0.001, "rank": 1.5}
"""Below which a representation has collapsed. Predictions begin at 0 and count from the end of the warm-up on."""


def variance(values: Tensor) -> Tensor:
    """Mean over channels of the variance over frames, of `(frames, channels)`: 0 where all frames are alike."""
    return values.var(0, correction=0).mean()


def effective_rank(values: Tensor) -> Tensor:
    """Directions in which `(frames, channels)` vary: (Σ λ)² / Σ λ², with the eigenvalues λ of their covariance.

    The participation ratio: n where n directions have one variance and the others none. It is had without finding λ,
    as Σ λ is the trace and Σ λ² the squared Frobenius norm. 0 where nothing varies.
    """
    centred = values - values.mean(0)
    covariance = centred.T @ centred
    trace = covariance.diagonal().sum()
    return trace.square() / covariance.square().sum().clamp(min=1e-20)


@torch.no_grad()
def measure(loss: Tensor, targets: Tensor, predictions: Tensor) -> Tensor:
    """Frames that count, and each of `NAMES` times so many, `(5,)`: sums of them over micro-batches have a mean.

    Args:
        loss: mean over the frames.
        targets: of the frames, `(frames, channels)`, scaled so that channels have a variance of about 1 at most.
        predictions: likewise.
    """
    count = targets.new_tensor(float(len(targets)))
    if not len(targets):
        return torch.zeros(1 + len(NAMES), device=targets.device)
    found = torch.stack((loss, variance(targets), variance(predictions), effective_rank(targets)))
    return torch.cat((count[None], found * count)).float()


def collapsed(found: Mapping[str, float], warmed_up: bool) -> str:
    """How a representation has collapsed, from the means of `NAMES`; nothing where it has not."""
    for name, least in LEAST.items():
        if found[name] < least and (warmed_up or name != "prediction_variance"):
            what = f"effective {name}" if name == "rank" else name.replace("_", " ")
            return f"the representation has collapsed: {what} {found[name]:.3g}, under {least:g}"
    return ""
