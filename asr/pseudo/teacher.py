"""The teacher: an exponential moving average of the student, in fp32; and how it is asked for labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from asr.config import PseudoConfig
from asr.decode.blank import lower_blank
from asr.decode.greedy import pack_best
from asr.pseudo.labeler import pack_all, pack_sampled
from asr.scaling.average import move_averages

Model = TypeVar("Model", bound=nn.Module)


def make_teacher(student: Model) -> Model:
    """A copy of the student that is never trained."""
    teacher = copy.deepcopy(student).float().eval()
    return teacher.requires_grad_(False)


def move_teacher(teacher: nn.Module, student: nn.Module, rate: float) -> None:
    """teacher ← teacher + rate · (student − teacher), rate = 1 − ρ^κ, after the optimizer's step."""
    move_averages(list(teacher.parameters()), list(student.parameters()), rate)


class Answer(NamedTuple):
    """To one batch, on the device."""

    packed: Tensor
    """Labels, `(batch, frames + 2)`, or what they are searched for in; see `pack_best` and `pack_all`."""
    log_probs: Tensor | None
    """Where they were asked for."""


class Asking:
    """Labels of clean features, by the model and the search that the settings name."""

    def __init__(
        self,
        model: nn.Module,
        settings: PseudoConfig,
        keep: bool,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """`keep`: whether log-probabilities are kept beside the labels."""
        self._model, self._settings, self._keep, self._autocast = model, settings, keep, autocast

    @torch.no_grad()
    def ask(self, features: Tensor, frames: Tensor, seeds: Sequence[int]) -> Answer:
        """Label a batch: features `(batch, frames, mels)`, real frames and seeds of draws `(batch,)`."""
        with self._autocast():
            heard = self._model(features, frames)
        scores = lower_blank(heard.log_probs, self._settings.blank_penalty)
        if self._settings.search == "sampled":
            packed = pack_sampled(scores, heard.lengths, self._settings.temperature, seeds)
        else:
            pack = pack_all if self._settings.search == "words" else pack_best
            packed = pack(scores, heard.lengths)
        return Answer(packed, heard.log_probs if self._keep else None)
