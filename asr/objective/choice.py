"""The objective that the settings name."""

from __future__ import annotations

from asr.config import Config
from asr.objective.masked import Masked
from asr.objective.objective import Objective
from asr.objective.recognition import Recognition
from asr.objective.views import Views


def make_objective(config: Config) -> Objective:
    """Of `objective.kind`."""
    made: dict[str, type[Masked] | type[Views] | type[Recognition]] = {"masked": Masked, "views": Views}
    return made.get(config.objective.kind, Recognition)(config)
