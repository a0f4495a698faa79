"""The averages of other tools, each made and moved as its documentation has it; see ema.py."""

# ruff: noqa: ARG002 (most of them cannot be told how large a batch was)

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 8
"""Samples that all decays are meant for."""


class Average:
    """One tool's average of one model, made as its documentation has it. Made anew with the same model to resume."""

    package = "torch"

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
        )

    def update(self, batch: int) -> None:
        """After a step of `batch` samples, which most tools are not told."""
        self.average.update_parameters(self.model)

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.average.module.named_parameters()) | dict(self.average.module.named_buffers())

    def state(self) -> Any:
        return self.average.state_dict()

    def load(self, state: Any) -> None:
        self.average.load_state_dict(state)


class Lightning(Average):
    package = "lightning"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from lightning.pytorch.callbacks import EMAWeightAveraging

        self.model, self.callback = model, EMAWeightAveraging(decay=decay)
        # What its setup() makes.
        self.average = torch.optim.swa_utils.AveragedModel(
            model, use_buffers=self.callback._use_buffers, **self.callback._kwargs
        )


class Timm(Average):
    package = "timm"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from timm.utils import ModelEmaV3

        self.model, self.average = model, ModelEmaV3(model, decay=decay)

    def update(self, batch: int) -> None:
        self.average.update(self.model)


class EmaPytorch(Average):
    package = "ema-pytorch"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from ema_pytorch import EMA

        self.model, self.average = model, EMA(model, beta=decay)

    def update(self, batch: int) -> None:
        self.average.update()

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.average.ema_model.named_parameters()) | dict(self.average.ema_model.named_buffers())


class Diffusers(Average):
    package = "diffusers"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from diffusers.training_utils import EMAModel

        self.model, self.average = model, EMAModel(model.parameters(), decay=decay)

    def update(self, batch: int) -> None:
        self.average.step(self.model.parameters())

    def tensors(self) -> dict[str, Tensor]:
        return dict(zip(dict(self.model.named_parameters()), self.average.shadow_params, strict=True))


class SpeechBrain(Average):
    """Its one average, that of SGMSE+ (integrations/models/sgmse_plus.py), is torch_ema's with defaults."""

    package = "torch-ema"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from torch_ema import ExponentialMovingAverage

        self.model, self.average = model, ExponentialMovingAverage(model.parameters(), decay=decay)

    def update(self, batch: int) -> None:
        self.average.update(self.model.parameters())

    tensors = Diffusers.tensors


class Composer(Average):
    package = "mosaicml"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from composer.algorithms import EMA
        from composer.core import Event

        average = EMA(half_life=None, smoothing=decay, update_interval="1ba")
        self.model, self.average, self.end = model, average, Event.BATCH_END
        self._apply(Event.INIT)

    def _apply(self, event: Any) -> None:
        self.average.apply(event, SimpleNamespace(model=self.model), None)

    def update(self, batch: int) -> None:
        self._apply(self.end)

    def tensors(self) -> dict[str, Tensor]:
        return dict(self.average.ema_model.named_parameters()) | dict(self.average.ema_model.named_buffers())


class NeMo(Average):
    package = "nemo-toolkit"

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.average = nemo().EMAOptimizer(torch.optim.SGD(model.parameters(), lr=0.0), torch.device("cpu"), decay)

    def update(self, batch: int) -> None:
        self.average.step()
        self.average.join()

    def tensors(self) -> dict[str, Tensor]:
        return dict(zip(dict(self.model.named_parameters()), self.average.ema_params, strict=False))


class Ours(Average):
    package = "kappa-asr"

    def __init__(self, model: nn.Module, decay: float) -> None:
        from asr.scaling import ScaledEMA

        self.model, self.average = model, ScaledEMA(model, momentum=decay, base_batch=BATCH)

    def update(self, batch: int) -> None:
        self.average.update(samples=batch)

    def tensors(self) -> dict[str, Tensor]:
        return self.average.averages


def nemo() -> Any:
    """NeMo's file on its own: the toolkit around it is not needed, and not there."""
    if "nemo_ema" not in sys.modules:
        (path,) = [f for f in metadata.files("nemo-toolkit") or [] if str(f).endswith("common/callbacks/ema.py")]
        spec = importlib.util.spec_from_file_location("nemo_ema", path.locate())
        assert spec is not None and spec.loader is not None  # noqa: PT018
        sys.modules["nemo_ema"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["nemo_ema"])
    return sys.modules["nemo_ema"]


TOOLS = {
    "torch swa_utils": Average,
    "Lightning": Lightning,
    "timm": Timm,
    "ema-pytorch": EmaPytorch,
    "diffusers": Diffusers,
    "Composer": Composer,
    "NeMo": NeMo,
    "SpeechBrain": SpeechBrain,
    "ours": Ours,
}
