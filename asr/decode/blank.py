"""A lower blank: CTC models that hear too little leave out what they are unsure of."""

from __future__ import annotations

from torch import Tensor

from asr.data.tokens import BLANK


def lower_blank(log_probs: Tensor, nats: float) -> Tensor:
    """Log-probabilities of which the blank's are lowered, normalised anew; fp32.

    Args:
        log_probs: `(…, tokens)`.
        nats: 0 leaves them as they are.
    """
    if not nats:
        return log_probs
    lowered = log_probs.float().clone()
    lowered[..., BLANK] -= nats
    return lowered.log_softmax(-1)
