"""What a student that shall recognise speech is trained to do, on audio with true text and with labels alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.config import ObjectiveConfig
from asr.model.encoder import Heard
from asr.objective.consistency import consistency_loss
from asr.objective.ctc import ctc_loss
from asr.objective.soft import soft_loss
from asr.schedule import value_at


@dataclass(frozen=True)
class Target:
    """What a micro-batch is trained on."""

    tokens: Sequence[Sequence[int]]
    """Of each utterance; none where it is left out."""
    teacher: Tensor | None = None
    """The teacher's log-probabilities `(batch, frames, tokens)`, where it has just labeled the audio."""


class Recognition:
    """CTC, with what the settings add to it."""

    def __init__(self, settings: ObjectiveConfig) -> None:
        self._settings = settings

    @property
    def wants_teacher(self) -> bool:
        """Whether the teacher's probabilities are asked for beside its labels."""
        return self._settings.soft_share > 0

    def views(self, hours: float) -> int:
        """How many differently masked views of each utterance the student hears."""
        return 2 if value_at(self._settings.consistency, hours) > 0 else 1

    def loss(self, heard: Heard, target: Target, hours: float) -> Tensor:
        """Summed over utterances, in nats, in fp32; the mean of all views.

        Args:
            heard: the student's, of all views, one after the other.
            target: of each utterance.
            hours: of audio.
        """
        views = self.views(hours)
        repeated = [*target.tokens] * views
        loss = ctc_loss(heard.log_probs, heard.lengths, repeated)
        if heard.intermediate:
            # Lee and Watanabe, ICASSP 2021, eq. 7.
            each = [ctc_loss(log_probs, heard.lengths, repeated) for log_probs in heard.intermediate]
            share = self._settings.intermediate_weight
            loss = (1 - share) * loss + share * torch.stack(each).mean()
        loss = loss / views
        if target.teacher is not None and self._settings.soft_share:
            share, count = self._settings.soft_share, len(target.tokens)
            used = torch.tensor([bool(ids) for ids in target.tokens]).to(heard.lengths.device, non_blocking=True)
            soft = soft_loss(heard.log_probs[:count], target.teacher, heard.lengths[:count], used)
            loss = (1 - share) * loss + share * soft
        if views == 2:
            loss = loss + value_at(self._settings.consistency, hours) * consistency_loss(heard)
        return loss
