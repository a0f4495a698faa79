"""From several channels to one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CANCELLED_SHARE = 0.2
"""Channels of unlike content keep 1/channels of their power when they are averaged. Where less than this share of that
is left, they are each other's negative, as of a plug that is wired the wrong way round."""


class Mixer:
    """Averages channels, or picks one; remembers what averaging has cost."""

    def __init__(self, channel: int | None) -> None:
        """`channel` counts from 1; None: the mean of all."""
        self._channel = channel
        self._whole = self._cancelled = 0.0

    def __call__(self, block: Floats) -> Floats:
        """One channel `(frames,)` of `(frames, channels)`."""
        count = block.shape[1]
        if self._channel is not None:
            return block[:, self._channel - 1]
        if count == 1:
            return block[:, 0]
        mixed: Floats = block.mean(axis=1)
        before = float(np.square(np.nan_to_num(block), dtype=np.float64).mean(axis=1).sum())
        after = float(np.square(np.nan_to_num(mixed), dtype=np.float64).sum())
        self._whole += before
        self._cancelled += before if after < CANCELLED_SHARE / count * before else 0.0
        return mixed

    @property
    def cancels(self) -> bool:
        """Whether next to nothing is left of most of what was averaged."""
        return self._cancelled > self._whole / 2

    @property
    def cancels_in_parts(self) -> bool:
        """Whether so little is left of some of it."""
        return self._cancelled > 0.0
