"""An encoder and what an objective adds to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.model.encoder import Encoder, Heard, Regularizer


class Headed(nn.Module):
    """One module of an encoder and heads, which data-parallel training needs. Heads are of no use after it."""

    def __init__(self, encoder: Encoder, heads: nn.Module | None) -> None:
        """`heads`, where there are any, make predictions of what the encoder's own head would read."""
        super().__init__()
        self.encoder, self.heads = encoder, heads

    def forward(self, features: Tensor, frames: Tensor, regularizer: Regularizer | None = None) -> Heard:
        """As the encoder's, with predictions."""
        heard: Heard = self.encoder(features, frames, regularizer)
        return heard if self.heads is None else heard._replace(predicted=self.heads(heard.top, heard.lengths))


def real_frames(lengths: Tensor, frames: int) -> Tensor:
    """True at frames of an utterance and False beyond, `(batch, frames)`; `lengths` is `(batch,)`."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]
