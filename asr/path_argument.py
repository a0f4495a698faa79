"""Paths that are arguments of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path


def path(text: str) -> Path:
    """Raises argparse.ArgumentTypeError for the empty text, which would else be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; is a variable of the shell not set?")
    return Path(text)
