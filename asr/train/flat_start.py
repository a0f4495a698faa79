"""Which token is said in each frame, found from audio and text alone.

Viterbi training from a flat start: first each utterance's frames are shared out evenly among its tokens; then, again
and again, a linear discriminant is fitted to what each token has, and the likeliest path through the tokens taken
(Juang and Rabiner, "The segmental K-means algorithm", IEEE Trans. ASSP, 1990). Silence may come first and last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.train.discriminant import Discriminant

ROUNDS = 8
"""After which about one frame in thirty still changes in a round."""

Path = npt.NDArray[np.int64]
"""The token of each frame."""


def share_evenly(frames: int, tokens: Sequence[int]) -> Path:
    return np.array(tokens)[np.arange(frames) * len(tokens) // max(1, frames)]


def likeliest_path(scores: npt.NDArray[np.float64], tokens: Sequence[int], silence: int) -> Path:
    """The path through tokens, each of a frame or more, with the highest score; silence before and after is free to be.

    Args:
        scores: log-likelihoods, `(frames, classes)`; there are at least as many frames as tokens.
        tokens: what is said.
        silence: the class of what lies around it.
    """
    states = np.array([silence, *tokens, silence])
    emitted = scores[:, states]
    best = np.full(len(states), -np.inf)
    best[:2] = emitted[0, :2]
    entered = np.zeros(emitted.shape, dtype=bool)
    for frame in range(1, len(emitted)):
        before = np.concatenate(([-np.inf], best[:-1]))
        entered[frame] = before > best
        best = np.maximum(before, best) + emitted[frame]
    state = len(states) - 1 - int(best[-2] >= best[-1])
    path = np.empty(len(emitted), dtype=np.int64)
    for frame in range(len(emitted) - 1, -1, -1):
        path[frame] = states[state]
        state -= int(entered[frame, state])
    return path


class Alignment:
    """Learnt from some utterances, and good for others."""

    def __init__(self, heard: Sequence[Tensor], tokens: Sequence[Sequence[int]], classes: int, silence: int) -> None:
        """
        Args:
            heard: of each utterance, `(frames, width)`, with at least as many frames as tokens.
            tokens: of each utterance.
            classes: all tokens there are.
            silence: the class of what lies before and after.
        """
        self._silence = silence
        self.paths = [share_evenly(len(one), [silence, *ids, silence]) for one, ids in zip(heard, tokens, strict=True)]
        frames = torch.cat(list(heard))
        for _ in range(ROUNDS):
            said = torch.from_numpy(np.concatenate(self.paths))
            self._discriminant = Discriminant(frames, said, classes)
            self.paths = self.align(heard, tokens)

    def align(self, heard: Sequence[Tensor], tokens: Sequence[Sequence[int]]) -> list[Path]:
        """The token of each frame of utterances, given as to the constructor."""
        return [
            likeliest_path(self._discriminant.likelihoods(one).numpy(), ids, self._silence)
            for one, ids in zip(heard, tokens, strict=True)
        ]
