"""What each token writes: the one notation in which characters, word pieces and phones look alike."""

from __future__ import annotations

BOUNDARY = "▁"
"""Stands where a word begins."""
BLANK_SYMBOL = "<blank>"
"""Id 0, CTC's blank, which writes nothing."""
UNKNOWN_TEXT = "⁇"
