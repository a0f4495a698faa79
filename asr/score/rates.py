"""The names of error rates: whoever shows one says what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

RateName = Literal["wer", "per", "cer", "fer"]
"""Errors in words, in phones, in characters alone, or in frames, of a probe; as logs and scores call it."""
UNITS: dict[RateName, str] = {"wer": "words", "per": "phones", "cer": "characters", "fer": "frames"}


def find_rate(scores: Mapping[str, Any]) -> RateName:
    """Which rate some scores hold: the first one, where they hold none."""
    return next((name for name in UNITS if name in scores), "wer")
