"""Connectionist temporal classification: the loss, and which utterances it can be had of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.data.tokens import BLANK
from asr.device import send


def needed_frames(ids: Sequence[int]) -> int:
    """Encoder frames that CTC needs for a target: one a token, and a blank between equal neighbours."""
    return len(ids) + sum(a == b for a, b in itertools.pairwise(ids))


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Summed CTC negative log-likelihood, in fp32, of the utterances with a target that fits.

    Args:
        log_probs: `(batch, frames, tokens)`.
        lengths: real frames of each utterance, `(batch,)`, on the host: PyTorch would fetch them from a device.
        targets: token ids of each utterance; an empty one leaves its utterance out.
    """
    counts = torch.tensor([len(t) for t in targets])
    padded = torch.full((len(targets), max(1, *map(len, targets))), BLANK, dtype=torch.long)
    for row, ids in enumerate(targets):
        padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    home = log_probs.device
    if torch.are_deterministic_algorithms_enabled():
        # A GPU's gradient of a token is added up in whatever order its frames are come to.
        log_probs = log_probs.cpu()
    device = log_probs.device
    each = F.ctc_loss(
        log_probs.float().transpose(0, 1),
        send(padded, device),
        lengths,
        counts,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    used = send(counts > 0, device)
    return torch.where(used, each, torch.zeros_like(each)).sum().to(home)
