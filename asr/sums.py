"""Sums that are the same bits in whatever order their parts come."""

from __future__ import annotations

import math


def addable(value: float) -> float:
    """`value` to a millionth or so. Sums of multiples of 2⁻²⁰ up to 8 · 10⁹ are exact, however ranks and stops between
    two log lines have them added up.

    Examples:
        >>> 0.1 + 0.2 == 0.3, addable(0.1) + addable(0.2) + addable(0.3) == addable(0.3) + addable(0.2) + addable(0.1)
        (False, True)
    """
    return math.ldexp(round(math.ldexp(value, 20)), -20) if math.isfinite(value) else value
