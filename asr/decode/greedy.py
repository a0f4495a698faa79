"""Greedy CTC decoding: the best token of every frame, repeats and blanks taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.data.tokens import BLANK


@dataclass(frozen=True)
class GreedyLabel:
    """One utterance's best path. `mean_log_prob` is over its frames, in nats."""

    ids: list[int]
    frames: int
    mean_log_prob: float


def pack_best(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """What the host needs of a batch, as one fp32 tensor `(batch, frames + 2)`: one transfer, not three.

    Columns are the best ids (fp32 holds them exactly), the real frames, the mean log-probability.

    Args:
        log_probs: `(batch, frames, tokens)`.
        lengths: real frames, `(batch,)`.
    """
    best, ids = log_probs.max(-1)
    real = torch.arange(best.shape[1], device=best.device) < lengths[:, None]
    mean = (best * real).sum(1) / lengths.clamp(min=1)
    return torch.cat((ids.float() * real, lengths[:, None].float(), mean[:, None]), 1)


def collapse(ids: npt.NDArray[np.int64]) -> list[int]:
    """Frame-wise best ids `(frames,)` without repeats and blanks."""
    keep = ids != BLANK
    keep[1:] &= ids[1:] != ids[:-1]
    kept: list[int] = ids[keep].tolist()
    return kept


def unpack_best(packed: Tensor) -> list[GreedyLabel]:
    """The labels of `pack_best`'s tensor, on the host."""
    rows = packed.cpu().numpy()
    labels: list[GreedyLabel] = []
    for row in rows:
        frames = int(row[-2])
        labels.append(GreedyLabel(collapse(row[:frames].astype(np.int64)), frames, float(row[-1])))
    return labels
