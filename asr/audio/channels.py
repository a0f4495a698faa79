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
        self._before = self._after = 0.0
        self._expected = 1.0

    def __call__(self, block: Floats) -> Floats:
        """One channel `(frames,)` of `(frames, channels)`."""
        count = block.shape[1]
        if self._channel is not None:
            return block[:, self._channel - 1]
        if count == 1:
            return block[:, 0]
        mixed: Floats = block.mean(axis=1)
        self._before += float(np.square(np.nan_to_num(block), dtype=np.float64).sum()) / count
        self._after += float(np.square(np.nan_to_num(mixed), dtype=np.float64).sum())
        self._expected = 1 / count
        return mixed

    @property
    def cancels(self) -> bool:
        """Whether next to nothing is left of what was averaged."""
        return self._after < CANCELLED_SHARE * self._expected * self._before
