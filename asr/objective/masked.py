"""Masked prediction of what the teacher makes of the whole utterance: data2vec 2.0's form, of log-mel features.

Baevski et al., "Efficient Self-supervised Learning with Contextualized Target Representations" (ICML 2023, arXiv
2212.07525), after "data2vec" (ICML 2022, arXiv 2202.03555). The teacher, an EMA of the student, hears an utterance
clean; its targets are, frame by frame,

    y = 1/K Σ instance_norm(what the feed-forward layer of block l makes),  over the topmost K blocks l:

what it makes, as in "data2vec", whose ablation this is from, rather than the sum of all blocks that it is added to.

The student hears the utterance several times with other stretches hidden, one pass of the teacher serving all of them,
and a small convolutional decoder on it predicts y in the hidden frames: ‖prediction − y‖².

Otherwise than there, hidden stretches are silenced in the features and stay in the sequence: the encoder is left as it
is for recognition, its convolutions and half rates too, at the price of the time that leaving frames out would save.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from asr.config import Config
from asr.data.draws import draw_each
from asr.device import send
from asr.model.block import Convolution
from asr.model.encoder import Heard
from asr.model.headed import Headed, real_frames
from asr.objective.objective import Cost, Inputs, Lesson, Target
from asr.objective.signs import measure
from asr.schedule import value_at

KERNEL = 7
"""Of the decoder's convolutions, in encoder frames."""


class Decoder(nn.Module):
    """Two convolutions and a linear map, `(batch, frames, width)` to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(width, KERNEL), Convolution(width, KERNEL)
        self.out = nn.Linear(width, width)

    def forward(self, top: Tensor, lengths: Tensor) -> Tensor:
        real = real_frames(lengths, top.shape[1])
        top = top + self.first(top, real)
        top = top + self.second(top, real)
        predicted: Tensor = self.out(top)
        return predicted


def hide(
    lengths: Sequence[int], frames: int, share: float, span: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which frames are hidden, `(utterances, frames)`: stretches on a grid of random offset, so that it is the share.

    Of an utterance of two stretches or more at least one is hidden and one is not.

    Args:
        lengths: frames of each utterance.
        frames: of the batch.
        share: of each utterance's stretches.
        span: frames of a stretch.
        rng: the only source of randomness.
    """
    count = np.array(lengths)
    offsets = (draw_each(rng, (), len(count)) * span).astype(np.int64)
    most = (frames + span - 1) // span + 1
    stretches = (count + offsets + span - 1) // span
    ranks = draw_each(rng, (), len(count), (most,))
    # What does not begin before an utterance's end ranks last.
    ranks[np.arange(most) >= stretches[:, None]] = 2.0
    taken = np.clip(np.round(share * stretches), 1, np.maximum(stretches - 1, 1))
    hidden = ranks.argsort(1).argsort(1) < taken[:, None]
    found = np.take_along_axis(hidden, (np.arange(frames) + offsets[:, None]) // span, 1)
    return found & (np.arange(frames) < count[:, None])


def block_targets(states: Sequence[Tensor], lengths: Tensor) -> Tensor:
    """Mean of states `(batch, frames, width)`, each with mean 0 and variance 1 per utterance and channel, in fp32."""
    real = real_frames(lengths, states[0].shape[1])[:, :, None]
    count = lengths.clamp(min=1)[:, None, None]
    total = torch.zeros_like(states[0], dtype=torch.float32)
    for state in states:
        centred = state.float() * real
        centred = (centred - centred.sum(1, keepdim=True) / count) * real
        total += centred / (centred.square().sum(1, keepdim=True) / count + 1e-5).sqrt()
    return total / len(states)


class Masked:
    """Of audio alone."""

    needs_text = False
    wants_teacher = False

    def __init__(self, config: Config) -> None:
        self._settings, self._width, self._stride = config.objective, config.model.width, config.model.stride
        self._frame_seconds = config.model.stride * config.features.shift_ms / 1000
        self.copies = config.objective.masks

    def make_heads(self) -> nn.Module:
        return Decoder(self._width)

    def inputs(self, lesson: Lesson) -> Inputs:
        features, real = lesson.clean
        lengths = [-(-count // self._stride) for count in lesson.counts] * self.copies
        size = -(-features.shape[1] // self._stride)
        span = max(1, round(self._settings.mask_seconds / self._frame_seconds))
        drawn = hide(lengths, size, value_at(self._settings.mask_share, lesson.hours), span, lesson.rng)
        # An encoder frame is centred on the first of its stride's feature frames; the last one has what is left over.
        nearest = (np.arange(features.shape[1]) + self._stride // 2) // self._stride
        silent = np.take_along_axis(drawn, np.minimum(nearest, np.maximum(np.array(lengths)[:, None] - 1, 0)), 1)
        hidden, hushed = (send(torch.from_numpy(m), features.device) for m in (drawn, silent))
        copied = features.repeat(self.copies, 1, 1).masked_fill(hushed[:, :, None], 0.0)
        counts = torch.tensor(lesson.counts).repeat(self.copies)
        return Inputs(copied, real.repeat(self.copies), counts, hidden)

    @torch.no_grad()
    def ask(self, teacher: Headed, lesson: Lesson, inputs: Inputs) -> Target:  # noqa: ARG002 (the protocol's)
        heard = teacher.encoder(*lesson.clean, depth=self._settings.top_blocks)
        return dataclasses.replace(lesson.target, teacher=block_targets(heard.states, heard.lengths))

    def cost(self, heard: Heard, lesson: Lesson, inputs: Inputs) -> Cost:
        """Mean square over channels and hidden frames, times the utterance's seconds: the mean of all copies."""
        if lesson.target.teacher is None or inputs.hidden is None:
            raise ValueError("masked prediction without a teacher or a mask")
        hidden = inputs.hidden & real_frames(heard.lengths, heard.predicted.shape[1])
        predicted, wanted = heard.predicted.float(), lesson.target.teacher.repeat(self.copies, 1, 1)
        errors = (predicted - wanted).square().mean(-1)
        means = (errors * hidden).sum(1) / hidden.sum(1).clamp(min=1)
        total = (means * heard.lengths).sum() * self._frame_seconds / self.copies
        return Cost(total, measure(errors, wanted, predicted, hidden))
