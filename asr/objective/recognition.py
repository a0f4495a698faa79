"""What a student that shall recognise speech is trained to do, on audio with true text and with labels alike."""

from __future__ import annotations

import torch
from torch import Tensor

from asr.config import Config
from asr.device import send
from asr.model.encoder import Heard
from asr.model.headed import Headed
from asr.objective.consistency import consistency_loss
from asr.objective.ctc import ctc_loss
from asr.objective.objective import Cost, Inputs, Lesson, Target
from asr.objective.soft import soft_loss
from asr.schedule import value_at, values_of


def _used(target: Target, heard: Heard) -> Tensor:
    """Which utterances have a target, `(batch,)`."""
    return send(torch.tensor([bool(ids) for ids in target.tokens]), heard.lengths.device)


class Recognition:
    """CTC, with what the settings add to it."""

    needs_text = True

    def __init__(self, config: Config) -> None:
        self._settings, self._stride = config.objective, config.model.stride

    @property
    def wants_teacher(self) -> bool:
        """Whether the teacher's probabilities are asked for beside its labels."""
        return self._settings.soft_share > 0

    @property
    def copies(self) -> int:
        return 2 if max(values_of(self._settings.consistency)) > 0 else 1

    def make_heads(self) -> None:
        """The encoder's own head is all that it needs."""

    def inputs(self, lesson: Lesson) -> Inputs:
        return lesson.augment(self.views(lesson.hours))

    def ask(self, teacher: Headed, lesson: Lesson, inputs: Inputs) -> Target:  # noqa: ARG002 (the protocol's)
        """As it is: labels are asked for before."""
        return lesson.target

    def cost(self, heard: Heard, lesson: Lesson, inputs: Inputs) -> Cost:
        lengths = torch.div(inputs.counts + self._stride - 1, self._stride, rounding_mode="floor")
        return Cost(self.loss(heard, lesson.target, lesson.hours, lengths))

    def views(self, hours: float) -> int:
        """How many differently masked views of each utterance the student hears."""
        return 2 if value_at(self._settings.consistency, hours) > 0 else 1

    def loss(self, heard: Heard, target: Target, hours: float, lengths: Tensor) -> Tensor:
        """Summed over utterances, in nats, in fp32; the mean of all views.

        Args:
            heard: the student's, of all views, one after the other.
            target: of each utterance.
            hours: of audio.
            lengths: those of `heard`, on the host.
        """
        views = self.views(hours)
        repeated = [*target.tokens] * views
        loss = ctc_loss(heard.log_probs, lengths, repeated)
        if heard.intermediate:
            # Lee and Watanabe, ICASSP 2021, eq. 7.
            each = [ctc_loss(log_probs, lengths, repeated) for log_probs in heard.intermediate]
            share = self._settings.intermediate_weight
            loss = (1 - share) * loss + share * torch.stack(each).mean()
        loss = loss / views
        if target.teacher is not None and self._settings.soft_share:
            share, count = self._settings.soft_share, len(target.tokens)
            soft = soft_loss(heard.log_probs[:count], target.teacher, heard.lengths[:count], _used(target, heard))
            loss = (1 - share) * loss + share * soft
        if views == 2:
            loss = loss + value_at(self._settings.consistency, hours) * consistency_loss(heard, _used(target, heard))
        return loss
