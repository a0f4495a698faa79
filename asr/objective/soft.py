"""Soft targets: a teacher's probabilities instead of its choice, averaged over the frames of each token.

Frame by frame they are worse than hard labels: student and teacher need not peak in the same frame of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.data.tokens import BLANK


def token_spans(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Of frame-wise ids `(batch, frames)`: the number of each frame's run, and whether it is one of a token."""
    changed = torch.ones_like(ids, dtype=torch.bool)
    changed[:, 1:] = ids[:, 1:] != ids[:, :-1]
    return changed.long().cumsum(1) - 1, ids != BLANK


def soft_loss(log_probs: Tensor, teacher: Tensor, lengths: Tensor, used: Tensor) -> Tensor:
    """Summed cross entropy between both models' mean probabilities over each token of the teacher's best path, in fp32.

    Args:
        log_probs: the student's, `(batch, frames, tokens)`.
        teacher: the teacher's, of the same frames.
        lengths: real frames, `(batch,)`.
        used: utterances whose label is trained on, `(batch,)`.
    """
    batch, frames, tokens = teacher.shape
    spans, spoken = token_spans(teacher.argmax(-1))
    real = (torch.arange(frames, device=teacher.device) < lengths[:, None]) & used[:, None]
    counted = (spoken & real).to(torch.float32)
    index = spans[..., None].expand(-1, -1, tokens)

    def mean(of: Tensor) -> Tensor:
        total = torch.zeros(batch, frames, tokens, device=of.device)
        total = total.scatter_add(1, index, of.float().exp() * counted[..., None])
        return total / sizes.clamp(min=1)[..., None]

    sizes = torch.zeros(batch, frames, device=teacher.device).scatter_add(1, spans, counted)
    target, found = mean(teacher.detach()), mean(log_probs)
    return -((target * found.clamp(min=1e-10).log()).sum(-1) * (sizes > 0)).sum()
