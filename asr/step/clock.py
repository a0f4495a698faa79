"""The clock that counts audio, and what is read from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from asr.config import ScheduleConfig


class When(NamedTuple):
    """Where a step reads what changes with audio."""

    step: int
    """Keys the randomness."""
    hours: float
    """Of audio."""


@dataclass
class Clock:
    """Training's progress in base steps: one step at κ is κ of them.

    Every event lies at a number of hours of audio, and κ decides only how far one step moves. Under AdaScale a
    step of κ base batches is worth its gain, r ≤ κ base steps, and what the clock shows is less than was consumed.
    """

    base_seconds: float
    steps: int = 0
    base_steps: float = 0.0
    base_batches: float = 0.0
    """Consumed so far."""

    @property
    def hours(self) -> float:
        """Audio that training is worth so far, nominal; without AdaScale, that it has consumed."""
        return self.base_steps * self.base_seconds / 3600

    @property
    def audio_hours(self) -> float:
        """Audio consumed so far, nominal."""
        return self.base_batches * self.base_seconds / 3600

    def hours_after(self, gain: float) -> float:
        return (self.base_steps + gain) * self.base_seconds / 3600

    def middle(self, gain: float) -> When:
        """Of the step from here on. Over a straight line its value is the mean of those of the base steps that it
        stands for."""
        return When(self.steps, (self.hours + self.hours_after(gain)) / 2)

    def tick(self, kappa: float, gain: float | None = None) -> None:
        """One step of κ base batches, worth `gain` base steps; as many as it holds where none is given."""
        self.steps += 1
        self.base_steps += kappa if gain is None else gain
        self.base_batches += kappa


def reached(hours: float, event_hours: float) -> bool:
    """Whether the clock stands at or past an event, rounding errors aside."""
    return hours >= event_hours - 1e-9


def passed(before: float, after: float, every: float) -> bool:
    """Whether a multiple of `every` hours lies in (before, after]. Never, for `every` of 0."""
    return every > 0 and math.floor(after / every + 1e-9) > math.floor(before / every + 1e-9)


def learning_rate_share(schedule: ScheduleConfig, hours: float) -> float:
    """Learning rate at an hour of audio, as a share of the peak."""
    if hours < schedule.warmup_hours:
        return hours / schedule.warmup_hours
    start = schedule.warmup_hours if schedule.decay_start_hours is None else schedule.decay_start_hours
    if schedule.decay == "none" or hours <= start or schedule.total_hours <= start:
        return 1.0
    done = min((hours - start) / (schedule.total_hours - start), 1.0)
    left = 1 - done if schedule.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
    return schedule.final_share + (1 - schedule.final_share) * left
