"""Random integers that are the same on every machine and with every numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T")


class Draws:
    """A stream of integers, named by a key of non-negative integers.

    Only raw PCG64 output is used: numpy promises that it never changes, and does not promise that of
    `Generator.integers`.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def below(self, limit: int) -> int:
        return int(self._bits.random_raw()) % limit

    def between(self, low: int, high: int) -> int:
        """Uniform in [low, high], both included."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[_T]) -> _T:
        return options[self.below(len(options))]

    def int16(self, count: int) -> NDArray[np.int16]:
        """Uniform over all of int16, `(count,)`."""
        words: NDArray[np.uint64] = self._bits.random_raw((count + 3) // 4)
        return words.astype("<u8").view("<i2")[:count].astype(np.int16)
