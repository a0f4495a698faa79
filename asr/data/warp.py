"""Features of speakers who are not there: other vocal tracts, other speeds.

A shorter vocal tract moves all resonances up by one factor (Jaitly and Hinton, ICML workshop 2013). Moving them at
random makes few speakers sound like many, which is what pseudo-labels of other speakers' audio hang on. Together with
another speed it is what speed perturbation of waveforms does (Ko et al., Interspeech 2015), without reading audio anew.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asr.data.draws import draw_each
from asr.device import send

LOWEST, HIGHEST = 20.0, 8000.0
"""Ends of the mel bands, in Hz."""


def _mel(hertz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hertz / 700)


def warp_matrix(factors: Tensor, mels: int) -> Tensor:
    """What warped bands are made of, `(batch, mels, mels)`: rows interpolate between two neighbouring bands.

    Args:
        factors: `(batch,)`; band at f Hz takes what was at factor · f, or at the nearest end.
        mels: number of bands, evenly spaced on the mel scale.
    """
    low, high = _mel(torch.tensor(LOWEST)), _mel(torch.tensor(HIGHEST))
    spacing = (high - low) / (mels + 1)
    centres = low + spacing * torch.arange(1, mels + 1)
    hertz = 700 * (10 ** (centres / 2595) - 1)
    source = ((_mel(factors[:, None] * hertz) - low) / spacing - 1).clamp(0, mels - 1)
    return (1 - (source[:, :, None] - torch.arange(mels)).abs()).clamp(min=0)


def warp_frequency(features: Tensor, largest: float, rng: np.random.Generator) -> Tensor:
    """Each utterance's frequency axis stretched by a random factor in [1 − largest, 1 + largest].

    Args:
        features: log-mel features `(batch, frames, mels)`, left unchanged.
        largest: relative, such as 0.1.
        rng: the only source of randomness.
    """
    factors = torch.from_numpy(1 - largest + 2 * largest * draw_each(rng, (), len(features))).float()
    matrix = send(warp_matrix(factors, features.shape[2]), features.device)
    return torch.bmm(features, matrix.transpose(1, 2))


def stretch_time(features: Tensor, frames: Tensor, factor: float, multiple: int) -> tuple[Tensor, Tensor]:
    """Features that last `factor` times as long, and their real frames, on the CPU.

    Args:
        features: `(batch, frames, mels)`, zero beyond each end.
        frames: real frames of each utterance, `(batch,)`, on the CPU.
        factor: of durations: 1.1 is slower speech.
        multiple: frames of the batch are padded to one of these, so that few shapes occur.
    """
    longest = features.shape[1]
    # So that every frame of the result lies between two that there were.
    size = max(2, round(longest * factor))
    stretched = F.interpolate(features.transpose(1, 2), size=size, mode="linear", align_corners=True).transpose(1, 2)
    counts = (
        torch.div(frames * (size - 1), longest - 1, rounding_mode="floor").clamp(max=size) if longest > 1 else frames
    )
    width = -(-size // multiple) * multiple
    stretched = F.pad(stretched, (0, 0, 0, width - size))
    real = torch.arange(width) < counts[:, None]
    return stretched * send(real, features.device)[:, :, None], counts
