"""The trained model that a run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from asr.config import Config
from asr.recognizer.trained import find_weights


def initial_weights(config: Config) -> Mapping[str, Tensor] | None:
    """Those of the model that `model.init` names, all but a head where it was trained on audio alone; None where it
    names none. Raises UserError where there is none."""
    if not config.model.init:
        return None
    return find_weights(Path(config.model.init).expanduser())
