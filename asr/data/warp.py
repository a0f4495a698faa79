"""Vocal tract length perturbation: Jaitly and Hinton, ICML workshop 2013.

A shorter vocal tract moves all resonances up by one factor. Moving them at random makes few speakers sound
like many, which is what pseudo-labels of other speakers' audio hang on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

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
    factors = torch.from_numpy(rng.uniform(1 - largest, 1 + largest, len(features))).float()
    matrix = warp_matrix(factors, features.shape[2]).to(features.device, non_blocking=True)
    return torch.bmm(features, matrix.transpose(1, 2))
