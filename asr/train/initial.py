"""The trained model that a run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from asr.errors import UserError
from asr.step.sharding import start_from


@dataclass(frozen=True)
class Initial:
    weights: Mapping[str, Tensor]
    """By name, as in `Encoder.state_dict`; a head may be missing."""
    source: str
    """Where they are from, as `model.init` has it."""
    differences: tuple[str, ...] = ()
    """In what their model is another than the one that starts from them, where tensors' shapes do not tell."""

    def load(self, *models: nn.Module) -> None:
        """Into each of `models`; a head that is missing stays as it is. Raises UserError where it is another model."""
        try:
            for model in models:
                start_from(model, self.weights)
        except RuntimeError as error:
            what = " ".join(str(error).split())
            raise UserError(f"model.init = {self.source}: not a model of these settings ({what:.300})") from None
