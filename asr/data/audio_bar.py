"""Progress in seconds of audio, on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

FORM = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}, {rate_noinv_fmt}]"


def audio_bar(seconds: float, name: str, shown: bool = True) -> tqdm[Any]:
    """A bar of so many seconds; none where standard error is no terminal."""
    hidden = not (shown and sys.stderr.isatty())
    return tqdm(total=seconds, desc=name, unit=" × real time", bar_format=FORM, leave=False, disable=hidden)


def advance(bar: tqdm[Any], seconds: float) -> None:
    """Move a bar on, to its end at most: a file may hold more than its header tells, and tqdm knows no 101 %."""
    bar.update(min(seconds, (bar.total or 0.0) - bar.n))
