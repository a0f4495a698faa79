"""Two masked views of an utterance shall be heard alike: CR-CTC (Yao et al., ICLR 2025, arXiv 2410.05101, eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.model.encoder import Heard


def consistency_loss(heard: Heard, used: Tensor) -> Tensor:
    """Mean of both Kullback-Leibler divergences between two views, each from the other one held fixed, in fp32.

    Summed over real frames, in nats.

    Args:
        heard: log-probabilities `(2 · batch, frames, tokens)`: all first views, then all second ones.
        used: which utterances count, `(batch,)`. Those without a target must not: what writes nothing agrees with
            itself best.
    """
    log_probs = heard.log_probs.float()
    one, two = log_probs.chunk(2)
    real = torch.arange(log_probs.shape[1], device=log_probs.device) < heard.lengths[: len(one), None]
    real = real & used[:, None]

    def divergence(target: Tensor, found: Tensor) -> Tensor:
        fixed = target.detach()
        return ((fixed.exp() * (fixed - found)).sum(-1) * real).sum()

    return (divergence(one, two) + divergence(two, one)) / 2
