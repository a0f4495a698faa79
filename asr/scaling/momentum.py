"""The teacher's momentum on the clock of audio: how much of it a step leaves."""

from __future__ import annotations

import math

from asr.config import TeacherConfig
from asr.errors import UserError
from asr.scaling.rules import momentum_of_epoch_weight
from asr.schedule import value_at


class Momentum:
    """ρ per base step, in whichever of its forms the settings give it, at every hour."""

    def __init__(self, teacher: TeacherConfig, base_seconds: float) -> None:
        """Raises UserError for a weight per epoch without the epoch's length, or a half-life and a weight."""
        if teacher.half_life_hours is not None and teacher.epoch_weight is not None:
            raise UserError("teacher.half_life_hours and teacher.epoch_weight are two ways to say one thing: give one")
        if teacher.epoch_hours is not None and teacher.epoch_weight is None:
            raise UserError("teacher.epoch_hours is nothing without teacher.epoch_weight: give both, or neither")
        if teacher.epoch_weight is not None and teacher.epoch_hours is None:
            raise UserError("teacher.epoch_weight needs teacher.epoch_hours: the hours of audio in an epoch")
        self._teacher, self._step_hours = teacher, base_seconds / 3600
        self._base_seconds = base_seconds

    def log(self, hours: float) -> float:
        """ln ρ of a base step at `hours`, without the bound that is a share of the audio seen."""
        teacher = self._teacher
        if teacher.half_life_hours is not None:
            return -math.log(2) * self._step_hours / value_at(teacher.half_life_hours, hours)
        if teacher.epoch_weight is not None and teacher.epoch_hours is not None:
            rho = momentum_of_epoch_weight(teacher.epoch_weight, teacher.epoch_hours, self._base_seconds)
        else:
            rho = value_at(teacher.momentum, hours)
        return math.log(rho) if rho > 0 else -math.inf

    def half_life(self, hours: float) -> float:
        """In hours of audio, at `hours`."""
        found = math.log(2) * self._step_hours / -self.log(hours) if self.log(hours) else math.inf
        share = self._teacher.half_life_share
        return found if share is None else min(found, share * hours)

    def decay(self, hours: float, gain: float) -> float:
        """ln of what is left of the teacher by a step from `hours` on that is worth `gain` base steps.

        κ steps of gain 1 leave what one of gain κ leaves, where the half-life does not change within it: ρ^κ. Where it
        is a share s of the audio seen, h, that of ∫ dh / (s·h) half-lives is taken, which is exact at every κ; before
        the first step nothing has been seen, and nothing is left.
        """
        end = hours + gain * self._step_hours
        usual = self.log((hours + end) / 2)
        share = self._teacher.half_life_share
        if share is None:
            return gain * usual
        # Up to here the share is what bounds the half-life.
        bound = math.log(2) * self._step_hours / -usual / share if usual else math.inf
        young = min(end, max(hours, bound))
        if young <= hours:
            return gain * usual
        if hours <= 0:
            return -math.inf
        left = -math.log(2) / share * math.log(young / hours)
        return left + (end - young) / self._step_hours * usual if end > young else left
