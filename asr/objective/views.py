"""Two views of an utterance shall be alike: BYOL's form, frame by frame, without negatives.

Grill et al., "Bootstrap Your Own Latent" (NeurIPS 2020, arXiv 2006.07733). Student and teacher, an EMA of it, hear two
views v and v' of an utterance, with SpecAugment and vocal tracts of their own. With the student's projection z, its
prediction q(z) and the teacher's projection z', the loss is (eq. 2)

    ‖q̄(z) − z̄'‖² = 2 − 2 ⟨q(z), z'⟩ / (‖q(z)‖ ‖z'‖),

and the same with the views exchanged. Only the student has a predictor: without it both could agree on a constant.
LayerNorm stands where the paper has BatchNorm, whose statistics would differ between ranks (Richemond et al., arXiv
2010.10241, show that it is not what prevents collapse). Speech is no image: its frames are compared, one by one.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.config import Config
from asr.model.encoder import Heard
from asr.model.headed import Headed, real_frames
from asr.objective.objective import Cost, Inputs, Lesson, Target
from asr.objective.signs import measure


def _perceptron(width: int, inner: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.LayerNorm(inner), nn.ReLU(), nn.Linear(inner, out))


class Heads(nn.Module):
    """Projector and predictor, `(batch, frames, width)` to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projector = _perceptron(width, 2 * width, width)
        self.predictor = _perceptron(width, 2 * width, width)

    def forward(self, top: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002 (other heads need it)
        predicted: Tensor = self.predictor(self.projector(top))
        return predicted


class Views:
    """Of audio alone."""

    needs_text = False
    wants_teacher = False
    copies = 2

    def __init__(self, config: Config) -> None:
        self._width = config.model.width
        self._frame_seconds = config.model.stride * config.features.shift_ms / 1000

    def make_heads(self) -> nn.Module:
        return Heads(self._width)

    def inputs(self, lesson: Lesson) -> Inputs:
        # Two calls, since copies of one have a vocal tract in common.
        one, two = lesson.augment(1), lesson.augment(1)
        return Inputs(torch.cat((one.features, two.features)), one.frames.repeat(2), one.counts.repeat(2))

    @torch.no_grad()
    def ask(self, teacher: Headed, lesson: Lesson, inputs: Inputs) -> Target:
        if not isinstance(teacher.heads, Heads):
            raise TypeError("a teacher without a projector")
        heard = teacher.encoder(inputs.features, inputs.frames)
        return dataclasses.replace(lesson.target, teacher=teacher.heads.projector(heard.top))

    def cost(self, heard: Heard, lesson: Lesson, inputs: Inputs) -> Cost:  # noqa: ARG002 (the protocol's)
        """Mean over frames, times the utterance's seconds: the mean of both directions."""
        if lesson.target.teacher is None:
            raise ValueError("views without a teacher")
        real = real_frames(heard.lengths, heard.predicted.shape[1])
        one, two = lesson.target.teacher.float().chunk(2)
        wanted = F.normalize(torch.cat((two, one)), dim=-1)
        predicted = F.normalize(heard.predicted.float(), dim=-1)
        errors = 2 - 2 * (predicted * wanted).sum(-1)
        # Of channels of about variance 1 where directions are spread out evenly.
        scale = self._width**0.5
        signs = measure(errors, scale * wanted, scale * predicted, real)
        return Cost((errors * real).sum() * self._frame_seconds / 2, signs)
