"""Frames that repeat a token, as one.

flashlight's lexicon decoder has no path on which a word's last token lasts for more than one frame, unless that token
stands for silence: the same frames score 10 nats less where the second one says nothing else with a probability above
e^-10. Where frames agree on their best token, they write it once in all likelihood.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.data.tokens import BLANK


def merge_repeats(log_probs: Tensor) -> Tensor:
    """Neighbouring frames with the same best token as one frame, `(frames, tokens)`.

    Its score of a token is that of all paths through those frames that write this token and no other.
    """
    best = log_probs.argmax(-1).tolist()
    merged: list[Tensor] = []
    begun = 0
    for frame in range(1, len(best) + 1):
        if frame < len(best) and best[frame] == best[begun] != BLANK:
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
