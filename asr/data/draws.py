"""Random numbers of utterances that do not depend on how a micro-batch is cut: for several devices, or a small one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class PartGenerator(np.random.Generator):
    """Of a micro-batch of `whole` utterances, of which those at `places` are here."""

    def __init__(self, key: tuple[int, int], whole: int, places: npt.NDArray[np.int64]) -> None:
        """`key` is all that the numbers depend on."""
        super().__init__(np.random.Philox(key=key))
        self.whole, self.places = whole, places


class LargestDraws(PartGenerator):
    """The largest numbers that there are, in place of random ones: nothing is left out, all is as long as can be."""

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        drawn = super().random(size, dtype, out)
        return np.nextafter(np.ones_like(drawn), 0)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full_like(super().uniform(low, high, size), high)


def draw_each(
    rng: np.random.Generator, before: tuple[int, ...], utterances: int, after: tuple[int, ...] = ()
) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) for each utterance, `(*before, utterances, *after)`.

    A `PartGenerator` draws for the whole micro-batch, and gives the utterances that are here what is theirs; where they
    are here more than once, one view after the other, so is the whole.
    """
    if not isinstance(rng, PartGenerator) or not len(rng.places):
        return rng.random((*before, utterances, *after))
    views = utterances // len(rng.places)
    places = np.concatenate([rng.places + view * rng.whole for view in range(views)])
    return rng.random((*before, views * rng.whole, *after)).take(places, axis=len(before))
