"""SpecAugment without time warp: Park et al., Interspeech 2019, §2."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from asr.config import SpecAugmentConfig
from asr.data.draws import draw_each
from asr.device import send


def _spans(rng: np.random.Generator, widest: Tensor, length: Tensor, masks: int) -> tuple[Tensor, Tensor]:
    """Starts and ends `(batch, masks)` of masks up to `widest` in axes of `length`, both `(batch,)`."""
    draws = torch.from_numpy(draw_each(rng, (2,), len(length), (masks,)))
    width = (draws[0] * (widest[:, None] + 1)).floor()
    start = (draws[1] * (length[:, None] - width + 1)).floor()
    return start, start + width


def specaugment(features: Tensor, frames: Tensor, config: SpecAugmentConfig, rng: np.random.Generator) -> Tensor:
    """Features with bands and stretches of time set to 0, which is the mean of normalised features.

    Args:
        features: `(batch, frames, mels)`, left unchanged.
        frames: real frames of each utterance, `(batch,)`, on the CPU.
        config: how many masks and how wide.
        rng: the only source of randomness; the masks do not depend on the device.
    """
    batch, longest, mels = features.shape
    frames = frames.double()
    time = _spans(rng, (frames * config.time_share).floor().clamp(max=config.time_width), frames, config.time_masks)
    bands = torch.full((batch,), mels, dtype=torch.float64)
    widest = bands.clamp(max=config.frequency_width)
    frequency = _spans(rng, widest, bands, config.frequency_masks)
    masks: list[Tensor] = []
    for (start, end), size in ((time, longest), (frequency, mels)):
        axis = torch.arange(size)
        covered = (axis >= start[..., None]) & (axis < end[..., None])
        masks.append(covered.any(1))
    hidden = [send(mask, features.device) for mask in masks]
    return features.masked_fill(hidden[0][:, :, None] | hidden[1][:, None, :], 0.0)
