"""Of what settings are made."""

from __future__ import annotations

from typing import Annotated, TypeVar

T = TypeVar("T")
Operational = Annotated[T, "operational"]
"""A setting that says how a run is done and not what comes out of it: it does not name the run (`asr.science`). All
others do."""
