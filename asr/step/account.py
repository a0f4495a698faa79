"""What a step takes of each kind of audio, so that as much is heard as the clock counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.scaling.plan import Micro

NEAR = 0.005
"""Relative. Micro-batches whose mean is so near to their nominal size are taken for that."""


@dataclass(frozen=True)
class Need:
    """Of one kind of audio, in one step."""

    micro: Micro
    """How it is cut by the settings alone."""
    usual: float
    """Seconds of a micro-batch, in the mean, by the lengths that utterances have; 0 where none are taken."""

    @property
    def seconds(self) -> float:
        """That the clock counts."""
        return self.micro.count * self.micro.seconds if self.usual else 0.0


def need(micro: Micro, mean: float) -> Need:
    """Of micro-batches that hold `mean` seconds.

    No micro-batch holds less than an utterance, and none more than fits beneath the cap: where utterances are long for
    either, its mean is not its nominal size.
    """
    return Need(micro, micro.seconds if abs(mean - micro.seconds) <= NEAR * micro.seconds else mean)


def count_micros(needs: Sequence[Need], owed: Sequence[float]) -> tuple[list[int], list[float]]:
    """How many micro-batches of each kind a step takes, at least one in all, and what is owed after it.

    Where their usual size is not the nominal one, steps take now more of them, now fewer, so that the sum over steps
    stays within half a micro-batch of what the clock counts. It follows from means, not from what micro-batches really
    hold: that goes up and down, and steps would with it.

    Args:
        needs: of each kind.
        owed: seconds of each kind that steps before have taken too little; negative: too much.
    """
    due = [before + one.seconds for one, before in zip(needs, owed, strict=True)]
    counts = [max(0, round(d / one.usual)) if one.usual else 0 for one, d in zip(needs, due, strict=True)]
    if not any(counts):
        counts[max((i for i, one in enumerate(needs) if one.usual), key=lambda i: due[i] / needs[i].usual)] = 1
    return counts, [d - count * one.usual for one, d, count in zip(needs, due, counts, strict=True)]
