"""The acoustic model: a strided convolution, Transformer blocks, a CTC head.

After the model of slimIPL (Likhomanenko et al., Interspeech 2021, §3.1). Attention probabilities are not
dropped out: on CPU that costs up to 1.8 times the attention, and dropout after it does the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.config import ModelConfig
from asr.model.block import Block, TimeAxis
from asr.model.dropout import drop
from asr.model.positions import cape_positions, rotary_angles, sinusoids

HEAD = "head."
"""How the names of the head's parameters begin."""


@dataclass(frozen=True)
class Regularizer:
    """What training adds to a forward pass: dropout, skipped blocks, moved positions. Drawn from `rng`."""

    dropout: float
    layerdrop: float
    rng: np.random.Generator


class Heard(NamedTuple):
    """What the encoder makes of a batch."""

    log_probs: Tensor
    """Of tokens, in fp32, `(batch, encoder frames, tokens)`."""
    lengths: Tensor
    """Real encoder frames, `(batch,)`."""
    intermediate: tuple[Tensor, ...] = ()
    """Log-probabilities after the blocks of `model.intermediate`; in training only."""
    top: Tensor = torch.empty(0)
    """What the head reads, `(batch, encoder frames, width)`, in fp32."""
    states: tuple[Tensor, ...] = ()
    """What the feed-forward layers of the topmost blocks that were asked for made, likewise."""
    predicted: Tensor = torch.empty(0)
    """What an objective's heads make of the top."""


class Frontend(nn.Module):
    """Convolution with stride and GLU: `(batch, frames, mels)` to `(batch, frames / stride, width)`."""

    def __init__(self, mels: int, config: ModelConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.conv = nn.Conv1d(mels, 2 * config.width, config.kernel, config.stride, config.kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        if features.device.type == "cpu":
            return F.glu(self._multiply(features), dim=-1)
        return F.glu(self.conv(features.transpose(1, 2)).transpose(1, 2), dim=-1)

    def _multiply(self, features: Tensor) -> Tensor:
        """The convolution as one matrix product: on a CPU faster, back and forth, and it leaves frames as rows."""
        kernel, mels = self.conv.kernel_size[0], features.shape[2]
        padded = F.pad(features, (0, 0, kernel // 2, kernel // 2)).contiguous()
        frames = (padded.shape[1] - kernel) // self.stride + 1
        # What a window sees lies in one piece, and so do windows one stride apart.
        windows = padded.as_strided(
            (len(padded), frames, kernel * mels), (padded.stride(0), self.stride * mels, 1), padded.storage_offset()
        )
        return F.linear(windows, self.conv.weight.transpose(1, 2).flatten(1), self.conv.bias)

    def frames(self, feature_frames: Tensor) -> Tensor:
        """Encoder frames of utterances with so many feature frames."""
        return torch.div(feature_frames + self.stride - 1, self.stride, rounding_mode="floor")


def halve(x: Tensor, real: Tensor) -> Tensor:
    """The mean of every two frames, `(batch, frames, width)` to `(batch, ceil(frames / 2), width)`.

    Frames that are not real, False in `real` `(batch, frames)`, count for nothing.
    """
    batch, frames, width = x.shape
    pairs = F.pad(x * real[:, :, None], (0, 0, 0, frames % 2)).view(batch, -1, 2, width)
    return pairs.sum(2) / _pairs(real).sum(2).clamp(min=1)[:, :, None].to(x.dtype)


def _pairs(real: Tensor) -> Tensor:
    return F.pad(real, (0, real.shape[1] % 2)).view(len(real), -1, 2)


class Encoder(nn.Module):
    """Log-mel features in, log-probabilities of tokens out; of no tokens where it has no head yet."""

    def __init__(self, mels: int, tokens: int, config: ModelConfig, frame_seconds: float = 0.01) -> None:
        """`tokens` of 0: there is no head."""
        super().__init__()
        self.rotary = config.positions == "rotary"
        self.frame_seconds = frame_seconds * config.stride
        self.frontend = Frontend(mels, config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()
        self.head = nn.Linear(config.width, tokens) if tokens else None
        self.slow = config.slow_blocks
        self.taps = config.intermediate

    def _embed(self, x: Tensor, lengths: Tensor, regularizer: Regularizer | None) -> Tensor:
        if self.rotary:
            return x
        rng = None if regularizer is None else regularizer.rng
        positions = cape_positions(lengths, x.shape[1], self.frame_seconds, rng)
        return x + sinusoids(positions, x.shape[2]).to(x.dtype)

    def _axis(self, real: Tensor, width: int) -> TimeAxis:
        first = self.blocks[0]
        heads = first.heads if isinstance(first, Block) else 1
        angles = rotary_angles(real.shape[1], width // heads, real.device) if self.rotary else None
        return TimeAxis(real, angles)

    def forward(
        self, features: Tensor, frames: Tensor, regularizer: Regularizer | None = None, depth: int = 0
    ) -> Heard:
        """Log-probabilities of tokens, and real frames.

        Args:
            features: `(batch, frames, mels)`, zero beyond each utterance's end.
            frames: real feature frames of each utterance, `(batch,)`, on the features' device.
            regularizer: given in training only; without it the result depends on nothing else.
            depth: of how many topmost blocks the states are kept; of a block of half rate each frame twice.
        """
        dropout = 0.0 if regularizer is None else regularizer.dropout
        # Under autocast too blocks add to a sum in fp32: small changes to a large one would be lost in bf16.
        x = self.frontend(features).float()
        lengths = self.frontend.frames(frames)
        # An utterance without a frame still attends its first one: no row is masked throughout.
        real = torch.arange(x.shape[1], device=x.device) < lengths.clamp(min=1)[:, None]
        x = self._embed(x, lengths, regularizer)
        x = drop(x, dropout)
        skipped = self._skipped(regularizer)
        axis, tapped = self._axis(real, x.shape[2]), list[Tensor]()
        states: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            if index == self.slow.start < self.slow.stop:
                fast, entered, x = x, axis, halve(x, real)
                begun, axis = x, self._axis(_pairs(real).any(2), x.shape[2])
            x, fed = block(x, axis, dropout, index in skipped)
            if index >= len(self.blocks) - depth:
                full = fed.repeat_interleave(2, 1)[:, : real.shape[1]] if index in self.slow else fed
                states.append(full.float())
            if index + 1 == self.slow.stop > self.slow.start:
                # What the slow blocks have changed, twice: where they change nothing, nothing is lost.
                x, axis = fast + (x - begun).repeat_interleave(2, 1)[:, : fast.shape[1]], entered
            if regularizer is not None and index + 1 in self.taps:
                tapped.append(self._read(x)[0])
        log_probs, top = self._read(x)
        return Heard(log_probs, lengths, tuple(tapped), top, tuple(states))

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The head's log-probabilities, and what it reads."""
        with torch.autocast(x.device.type, enabled=False):
            top: Tensor = self.norm(x.float())
            if self.head is None:
                return top.new_zeros(*top.shape[:2], 0), top
            return F.log_softmax(self.head(top), dim=-1), top

    def _skipped(self, regularizer: Regularizer | None) -> Sequence[int]:
        if regularizer is None or regularizer.layerdrop == 0:
            return ()
        draws = regularizer.rng.random(len(self.blocks))
        return [i for i, draw in enumerate(draws) if draw < regularizer.layerdrop]


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
