"""Frames that repeat a token, as one.

flashlight's lexicon decoder has no path on which a word's last token lasts for more than one frame, unless that token
stands for silence: where a model is sure of a token in two frames, the right word scores as if it had been sure of a
blank in the second. Such frames write their token once in all likelihood.

Where the model is less sure, two tokens may well share the frames: with one that got 42 % of phones wrong, joining all
frames that agree changed the WER on 60 utterances of dev-clean by -0.6 to +1.9 points, depending on the weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asr.data.tokens import BLANK

SURE = math.log(0.8)
"""Log-probability of a token from which on frames that agree on it are one."""


def merge_repeats(log_probs: Tensor) -> Tensor:
    """Neighbouring frames that are sure of the same token as one frame, `(frames, tokens)`.

    Its score of a token is that of all paths through those frames that write this token and no other.
    """
    top, best = (values.tolist() for values in log_probs.max(-1))
    merged: list[Tensor] = []
    begun = 0
    for frame in range(1, len(best) + 1):
        if frame < len(best) and best[frame] == best[begun] != BLANK and min(top[frame], top[begun]) > SURE:
            continue
        merged.append(_write_once(log_probs[begun:frame]) if frame - begun > 1 else log_probs[begun])
        begun = frame
    return torch.stack(merged) if merged else log_probs


def _write_once(log_probs: Tensor) -> Tensor:
    """Log-probability that frames write just this token, `(tokens,)`, or nothing, for the blank."""
    nothing = log_probs[0, BLANK]
    within, after = log_probs[0], torch.full_like(log_probs[0], -torch.inf)
    for frame in log_probs[1:]:
        after = torch.logaddexp(after, within) + frame[BLANK]
        within = torch.logaddexp(within, nothing) + frame
        nothing = nothing + frame[BLANK]
    once = torch.logaddexp(within, after)
    once[BLANK] = nothing
    return once
