"""What a student is trained to do, as a training step sees it: a new objective is a new file beside this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from asr.model.encoder import Heard
from asr.model.headed import Headed

Features = tuple[Tensor, Tensor]
"""Log-mel features `(batch, frames, mels)` and real frames of each utterance, `(batch,)`."""


class Inputs(NamedTuple):
    """What the student hears of a micro-batch."""

    features: Tensor
    """`(copies · batch, frames, mels)`, all first copies before all second ones."""
    frames: Tensor
    """Real ones, `(copies · batch,)`, on the features' device."""
    counts: Tensor
    """The same on the host."""
    hidden: Tensor | None = None
    """Encoder frames whose features were taken away, `(copies · batch, encoder frames)`."""


Augment = Callable[[int], Inputs]
"""SpecAugment and warps, as the settings have them: so many copies of each utterance, one batch after the other."""


@dataclass(frozen=True)
class Target:
    """What a micro-batch is trained on."""

    tokens: Sequence[Sequence[int]]
    """Of each utterance; none where it is left out, or where no text is asked for."""
    teacher: Tensor | None = None
    """What the teacher makes of it, `(batch, encoder frames, …)`: log-probabilities where it has just labeled the
    audio, or what the student shall predict."""


@dataclass(frozen=True)
class Lesson:
    """A micro-batch before the student hears it."""

    clean: Features
    """On the device."""
    counts: Sequence[int]
    """The same real frames on the host."""
    target: Target
    hours: float
    """Of audio."""
    augment: Augment
    """Draws from `rng` too."""
    rng: np.random.Generator
    """The only source of randomness."""


class Cost(NamedTuple):
    """Of a micro-batch."""

    total: Tensor
    """What is minimised: a sum over utterances, in fp32. A step divides it by the seconds of audio that it holds."""
    signs: Tensor | None = None
    """See `asr.objective.signs`; None where collapse shows in labels."""


class Objective(Protocol):
    """Objectives hold no state: their heads are part of what is trained."""

    @property
    def needs_text(self) -> bool:
        """Whether utterances without text, or a label in its place, are of no use."""

    @property
    def wants_teacher(self) -> bool:
        """Whether the teacher's probabilities are asked for beside its labels."""

    @property
    def copies(self) -> int:
        """Of each utterance, that the student hears at most."""

    def make_heads(self) -> nn.Module | None:
        """What stands on the encoder beside its own head; a map of (top, real encoder frames) to predictions."""

    def inputs(self, lesson: Lesson) -> Inputs:
        """What the student hears."""

    def ask(self, teacher: Headed, lesson: Lesson, inputs: Inputs) -> Target:
        """The lesson's target with what the teacher says, without gradients."""

    def cost(self, heard: Heard, lesson: Lesson, inputs: Inputs) -> Cost:
        """Of what the student heard of `inputs`; the lesson has the target of `ask`."""
