"""Clipping by what gradients have been like lately, which no batch size undoes.

A gradient's norm is that of signal and noise, √(μ² + σ²/κ). A fixed bound that clips every step makes all of them as
long as at κ = 1, though less of each is noise: by SGD's rule, lr·κ, training then goes further over the same audio, √κ
times where noise dominates. A bound relative to an average of recent norms falls with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from asr.errors import UserError
from asr.scaling.rules import check_scale, corrected_rate


@dataclass
class RunningClip:
    """A bound of `ratio` times the average norm of recent steps. All of it is plain numbers, to be saved as they are.

    Examples:
        >>> clip = RunningClip(ratio=2.0, half_life=32.0)
        >>> clip.bound
        inf
        >>> clip.add(norm=3.0, kappa=4)
        >>> clip.bound
        6.0

    With torch, once per step: `norm = clip_grad_norm_(parameters, clip.bound)`, then `clip.add(float(norm), kappa)`.
    """

    ratio: float = 2.0
    """Longer gradients than this many average norms are cut to it."""
    half_life: float = 64.0
    """Base batches after which an old norm weighs half; κ changes the steps that this takes, never the audio."""
    average: float = 0.0
    """Of the norms of recent steps, as they were after clipping: one wild step moves it little."""
    weight: float = 0.0
    """Of all norms in the average, its start corrected."""
    steps: float = 0.0
    """Counted, as is the next, until `share` is asked for; in base batches."""
    clipped: float = 0.0
    """Those of them that were cut."""

    def __post_init__(self) -> None:
        """Raises UserError for a ratio at which the bound could never rise again, or a half-life that is none."""
        if not 1 < self.ratio < math.inf:
            raise UserError(f"ratio = {self.ratio}: must be more than 1, or the bound would never rise")
        if not 0 < self.half_life < math.inf:
            raise UserError(f"half_life = {self.half_life}: must be a number of base batches, more than 0")

    @property
    def bound(self) -> float:
        """For the next step; ∞ before the first gradient that is not 0."""
        return self.ratio * self.average if self.average else math.inf

    def add(self, norm: float, kappa: float = 1.0) -> None:
        """Count a step.

        Args:
            norm: of its gradient, before clipping. One that is not finite belongs to no step, and is left out.
            kappa: base batches that the step is worth.

        Raises:
            UserError: κ is none.
        """
        check_scale(kappa)
        if not math.isfinite(norm):
            return
        self.steps += kappa
        self.clipped += kappa if norm > self.bound else 0.0
        rate = -math.expm1(-kappa * math.log(2) / self.half_life)
        rate, weight = corrected_rate(rate, self.weight)
        self.average += rate * (min(norm, self.bound) - self.average)
        self.weight = weight

    def share(self) -> float:
        """Of audio since this was last asked for, in steps that were clipped; 0 without any."""
        share = self.clipped / self.steps if self.steps else 0.0
        self.steps = self.clipped = 0.0
        return share
