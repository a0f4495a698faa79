"""One block of the encoder: self-attention, a convolution by option, a feed-forward layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.config import ModelConfig
from asr.model.dropout import drop
from asr.model.positions import TurnedHeads, rotate


@dataclass(frozen=True)
class TimeAxis:
    """What a block knows of the frames of a batch."""

    real: Tensor
    """True at frames that may be attended, `(batch, frames)`; of each utterance at least one."""
    angles: Tensor | None
    """Rotary positions, where there are any."""

    @property
    def mask(self) -> Tensor:
        """True at keys that may be attended, `(batch, 1, 1, frames)`."""
        return self.real[:, None, None, :]


def attention_scale(head_width: int, proxy: int | None) -> float | None:
    """What products of queries and keys are multiplied with; None: 1 / √`head_width`, as is usual.

    Queries and keys that have learnt to fit each other have a product that grows with their width, not with its root
    (Yang et al., "Tensor Programs V", 2022, definition 4.1).

    Args:
        head_width: of each head.
        proxy: that of the model which settings were tuned on: there the scale is the usual one.
    """
    return None if proxy is None else math.sqrt(proxy) / head_width


class Convolution(nn.Module):
    """Conformer's convolution (Gulati et al., Interspeech 2020, §2.2), `(batch, frames, width)` to the same.

    With LayerNorm in place of BatchNorm: running statistics would differ between student, teacher and ranks.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.gates = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        x = F.glu(self.gates(x), dim=-1) * real[:, :, None]
        # As an image of one row, whose channels already lie as a CPU wants them: half the time of conv1d there.
        row = x.transpose(1, 2).unsqueeze(2)
        padding = (0, self.depthwise.kernel_size[0] // 2)
        conv = F.conv2d(
            row, self.depthwise.weight.unsqueeze(2), self.depthwise.bias, padding=padding, groups=x.shape[2]
        )
        mixed: Tensor = self.out(F.silu(self.norm(conv.squeeze(2).transpose(1, 2))))
        return mixed


class Block(nn.Module):
    """Self-attention, convolution and feed-forward layer, normalised before (pre) or after (post) each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.scale = attention_scale(width // config.heads, config.proxy_head_width)
        self.pre_norm = config.norm == "pre"
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.inner = nn.Linear(width, config.feedforward)
        self.outer = nn.Linear(config.feedforward, width)
        self.norm_convolution = nn.LayerNorm(width) if config.convolution else None
        self.convolution = Convolution(width, config.convolution) if config.convolution else None

    def _attend(self, x: Tensor, axis: TimeAxis) -> Tensor:
        batch, frames, width = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, width // self.heads)
        alone = qkv.device.type == "cpu" and qkv.dtype is torch.float32 and not torch.compiler.is_compiling()
        if axis.angles is not None and alone:
            query, key, value = TurnedHeads.apply(qkv, axis.angles)
        else:
            pair, value = qkv[:, :, :2], qkv[:, :, 2].transpose(1, 2)
            if axis.angles is not None:
                pair = rotate(pair, axis.angles).to(value.dtype)
            query, key = pair.permute(2, 0, 3, 1, 4)
        if x.device.type == "cpu":
            # The backward pass of bf16 attention takes three times that of fp32 on CPU.
            with torch.autocast("cpu", enabled=False):
                query, key, value = query.float(), key.float(), value.float()
                heard = F.scaled_dot_product_attention(query, key, value, attn_mask=axis.mask, scale=self.scale)
        else:
            heard = F.scaled_dot_product_attention(query, key, value, attn_mask=axis.mask, scale=self.scale)
        mixed: Tensor = self.out(heard.transpose(1, 2).reshape(batch, frames, width))
        return mixed

    def _feed(self, x: Tensor, dropout: float) -> Tensor:
        fed: Tensor = self.outer(drop(F.relu(self.inner(x)), dropout))
        return fed

    def forward(self, x: Tensor, axis: TimeAxis, dropout: float, skipped: bool = False) -> tuple[Tensor, Tensor]:
        """What the next block gets of `x`, and what the feed-forward layer makes; all are `(batch, frames, width)`."""
        if skipped:
            # Its gradients are 0, not missing: data-parallel training waits for every parameter.
            return x + 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum().to(x.dtype), torch.zeros_like(x)
        x, _ = self._add(x, self.norm_attention, lambda y: self._attend(y, axis), dropout)
        if self.convolution is not None and self.norm_convolution is not None:
            convolution = self.convolution
            x, _ = self._add(x, self.norm_convolution, lambda y: convolution(y, axis.real), dropout)
        return self._add(x, self.norm_feedforward, lambda y: self._feed(y, dropout), dropout)

    def _add(
        self, x: Tensor, norm: nn.Module, change: Callable[[Tensor], Tensor], dropout: float
    ) -> tuple[Tensor, Tensor]:
        """`x` and a change to it, and that change."""
        changed = change(norm(x) if self.pre_norm else x)
        x = x + drop(changed, dropout)
        return x if self.pre_norm else norm(x), changed
