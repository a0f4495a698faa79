"""The acoustic model: a strided convolution, Transformer blocks, a CTC head.

After the model of slimIPL (Likhomanenko et al., Interspeech 2021, §3.1). Attention probabilities are not
dropped out: on CPU that costs up to 1.8 times the attention, and dropout after it does the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.config import ModelConfig
from asr.model.positions import cape_positions, rotary_angles, rotate, sinusoids


@dataclass(frozen=True)
class Regularizer:
    """What training adds to a forward pass: dropout, skipped blocks, moved positions. Drawn from `rng`."""

    dropout: float
    layerdrop: float
    rng: np.random.Generator


class Frontend(nn.Module):
    """Convolution with stride and GLU: `(batch, frames, mels)` to `(batch, frames / stride, width)`."""

    def __init__(self, mels: int, config: ModelConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.conv = nn.Conv1d(mels, 2 * config.width, config.kernel, config.stride, config.kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        return F.glu(self.conv(features.transpose(1, 2)).transpose(1, 2), dim=-1)

    def frames(self, feature_frames: Tensor) -> Tensor:
        """Encoder frames of utterances with so many feature frames."""
        return torch.div(feature_frames + self.stride - 1, self.stride, rounding_mode="floor")


class Block(nn.Module):
    """Self-attention and a feed-forward layer, normalised before (pre) or after (post) each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.pre_norm = config.norm == "pre"
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.inner = nn.Linear(width, config.feedforward)
        self.outer = nn.Linear(config.feedforward, width)

    def _attend(self, x: Tensor, mask: Tensor, angles: Tensor | None) -> Tensor:
        batch, frames, width = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, width // self.heads)
        pair, value = qkv[:, :, :2], qkv[:, :, 2].transpose(1, 2)
        if angles is not None:
            pair = rotate(pair, angles).to(value.dtype)
        query, key = pair.permute(2, 0, 3, 1, 4)
        if x.device.type == "cpu":
            # The backward pass of bf16 attention takes three times that of fp32 on CPU.
            with torch.autocast("cpu", enabled=False):
                query, key, value = query.float(), key.float(), value.float()
                heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed: Tensor = self.out(heard.transpose(1, 2).reshape(batch, frames, width))
        return mixed

    def _feed(self, x: Tensor, dropout: float) -> Tensor:
        fed: Tensor = self.outer(F.dropout(F.relu(self.inner(x)), dropout, dropout > 0))
        return fed

    def forward(self, x: Tensor, mask: Tensor, angles: Tensor | None, dropout: float, skipped: bool = False) -> Tensor:
        """`x` is `(batch, frames, width)`; `mask` is True at keys that may be attended, `(batch, 1, 1, frames)`."""
        if skipped:
            # Its gradients are 0, not missing: data-parallel training waits for every parameter.
            return x + 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum().to(x.dtype)
        for norm, feed in ((self.norm_attention, False), (self.norm_feedforward, True)):
            entered = norm(x) if self.pre_norm else x
            change = self._feed(entered, dropout) if feed else self._attend(entered, mask, angles)
            x = x + F.dropout(change, dropout, dropout > 0)
            if not self.pre_norm:
                x = norm(x)
        return x


class Encoder(nn.Module):
    """Log-mel features in, log-probabilities of tokens out."""

    def __init__(self, mels: int, tokens: int, config: ModelConfig, frame_seconds: float = 0.01) -> None:
        super().__init__()
        self.rotary = config.positions == "rotary"
        self.frame_seconds = frame_seconds * config.stride
        self.frontend = Frontend(mels, config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()
        self.head = nn.Linear(config.width, tokens)

    def _embed(self, x: Tensor, regularizer: Regularizer | None) -> tuple[Tensor, Tensor | None]:
        batch, frames, width = x.shape
        if self.rotary:
            first = self.blocks[0]
            heads = first.heads if isinstance(first, Block) else 1
            return x, rotary_angles(frames, width // heads, x.device)
        rng = None if regularizer is None else regularizer.rng
        positions = cape_positions(batch, frames, self.frame_seconds, rng)
        return x + sinusoids(positions.to(x.device, non_blocking=True), width).to(x.dtype), None

    def forward(
        self, features: Tensor, frames: Tensor, regularizer: Regularizer | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities in fp32, `(batch, encoder frames, tokens)`, and real encoder frames `(batch,)`.

        Args:
            features: `(batch, frames, mels)`, zero beyond each utterance's end.
            frames: real feature frames of each utterance, `(batch,)`, on the features' device.
            regularizer: given in training only; without it the result depends on nothing else.
        """
        dropout = 0.0 if regularizer is None else regularizer.dropout
        x = self.frontend(features)
        lengths = self.frontend.frames(frames)
        # An utterance without a frame still attends its first one: no row is masked throughout.
        real = torch.arange(x.shape[1], device=x.device) < lengths.clamp(min=1)[:, None]
        mask = real[:, None, None, :]
        x, angles = self._embed(x, regularizer)
        x = F.dropout(x, dropout, dropout > 0)
        skipped = self._skipped(regularizer)
        for index, block in enumerate(self.blocks):
            x = block(x, mask, angles, dropout, index in skipped)
        with torch.autocast(x.device.type, enabled=False):
            x = self.norm(x.float())
            return F.log_softmax(self.head(x), dim=-1), lengths

    def _skipped(self, regularizer: Regularizer | None) -> Sequence[int]:
        if regularizer is None or regularizer.layerdrop == 0:
            return ()
        draws = regularizer.rng.random(len(self.blocks))
        return [i for i, draw in enumerate(draws) if draw < regularizer.layerdrop]


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
