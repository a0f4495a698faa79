"""A label: what was written for an utterance, how sure the writer was, when, and who it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

TRANSCRIPT = "transcript"
"""Maker of true text."""


@dataclass(frozen=True)
class Label:
    """One row of a label store."""

    row: int
    """Of the utterance, in its manifest."""
    tokens: tuple[int, ...]
    """What is trained on: what the tokenizer makes of the text."""
    mean_log_prob: float = 0.0
    """Of the likeliest path, over encoder frames, in nats."""
    frames: int = 0
    """Encoder frames that were heard."""
    hour: float = 0.0
    """Of audio, at which it was made."""
    maker: str = TRANSCRIPT
    """Model, search and normaliser."""
    churn: float = math.nan
    """Share of tokens that differ from the label before, where there was one."""
    agreement: float = math.nan
    """Of two searches, where there were two: 1 for equal texts."""
    text: str = ""
    """As written, where it comes from elsewhere; else what the tokens spell."""


def difference(one: Sequence[int], two: Sequence[int]) -> float:
    """Tokens to be changed, as a share of the longer one's: 0 for equal labels, 1 for those with nothing in common."""
    return float(Levenshtein.normalized_distance(one, two))
