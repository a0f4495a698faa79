"""Whether samples are numbers of full scale 1, as floating point audio is meant to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr.audio.channels import Floats
from asr.audio.stream import Unreadable

MOST = 8.0
"""Peak, 18 dB beyond full scale: what is louder is of another scale, such as that of 16-bit integers."""
NOTED = 0.001
"""Share of samples beyond full scale from which on it is told: decoders of lossy formats overshoot by a few."""


class Scale:
    """Of one file, block by block."""

    def __init__(self) -> None:
        self._samples = self._beyond = self._odd = 0
        self._peak = 0.0

    def __call__(self, block: Floats) -> None:
        """Look at the samples `(frames,)` of one channel."""
        self._samples += len(block)
        size = np.abs(block)
        # False where one of them is no number, too.
        if not len(block) or float(size.max()) <= 1:
            return
        real = size[np.isfinite(size)]
        self._odd += len(size) - len(real)
        self._beyond += int((real > 1).sum())
        self._peak = max(self._peak, float(real.max(initial=0.0)))

    def check(self, name: Path | str) -> None:
        """Raises Unreadable where the file's scale is another, or no sample has any."""
        if self._samples and self._odd == self._samples:
            raise Unreadable(name, "samples that are no numbers", "all of them")
        if self._peak > MOST:
            found = (
                f"samples reach {self._peak:.4g}, and full scale is 1; divide them by what they were multiplied with"
            )
            raise Unreadable(name, "far beyond full scale", found)

    def notes(self) -> list[str]:
        """What was done to samples."""
        found = ["clipped at full scale"] if self._beyond > NOTED * self._samples else []
        return [*found, "silence for samples that are no numbers"] if self._odd else found
