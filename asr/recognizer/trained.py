"""Finding a trained model: in a run's folder, in one of its checkpoints, or in an exported folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asr.config import FeatureConfig, ModelConfig
from asr.config_file import load_config
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.train.checkpoint import Checkpoint, DamagedCheckpoint, load_checkpoint, load_newest

FORMAT = 1
SETTINGS_FILE = "recognizer.json"
WEIGHTS_FILE = "model.safetensors"
LENGTHS_FILE = "lengths.json"
MODELS = ("teacher", "student")

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class TrainedModel:
    """All that is needed to recognise speech."""

    weights: dict[str, Tensor]
    features: FeatureConfig
    model: ModelConfig
    tokens: Path
    """Folder of the token inventory."""
    origin: dict[str, Any]
    """Where the weights come from, for people to read."""
    utterance_seconds: tuple[float, float] | None = None
    """1st and 99th percentile of the lengths that it was trained on, where they are known."""

    def __post_init__(self) -> None:
        size, rows = load_tokenizer(self.tokens).size, self.weights["head.bias"].shape[0]
        if size != rows:
            raise UserError(f"{self.tokens}: {size} tokens, but the model was trained with {rows}; name the run's own")


def find_trained(path: Path, model: str | None = None, tokens: Path | None = None) -> TrainedModel:
    """The model at `path`: a run's folder (its newest whole checkpoint), a checkpoint, or an exported folder.

    Args:
        path: the folder.
        model: teacher (the default) or student; an exported folder has one model only.
        tokens: folder of the token inventory, where the run's folder has none.

    Raises:
        UserError: there is no model, no token inventory, or they do not belong together.
    """
    if (path / SETTINGS_FILE).is_file():
        if model is not None:
            raise UserError(f"{path}: an exported folder has one model; leave --model out, or name the run's folder")
        return _read_exported(path, tokens)
    if (path / "state.json").is_file():
        try:
            checkpoint: Checkpoint | None = load_checkpoint(path)
        except DamagedCheckpoint as error:
            raise UserError(f"{error}; name another checkpoint") from None
        run = path.resolve().parent.parent
    else:
        run, checkpoint = path, load_newest(path / "checkpoints")
    if checkpoint is None:
        raise UserError(f"{path}: no trained model; expected a run's folder, a checkpoint or an exported folder")
    name = model or MODELS[0]
    dev_wer = checkpoint.state.get("dev_wer")
    origin = {"run": run.resolve().name, "step": checkpoint.step, "model": name, "dev_wer": dev_wer}
    return model_of_run(run, checkpoint.tensors[name], tokens, origin)


def _read_lengths(run: Path) -> tuple[float, float] | None:
    """What training recorded of its utterances' lengths; None for a run of before it did."""
    try:
        shortest, longest = json.loads((run / LENGTHS_FILE).read_text(encoding="utf-8"))["utterance_seconds"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run / LENGTHS_FILE}: not what training writes ({error}); delete it") from None
    return float(shortest), float(longest)


def model_of_run(run: Path, weights: dict[str, Tensor], tokens: Path | None, origin: dict[str, Any]) -> TrainedModel:
    """Weights together with the settings and the tokens of the run that they are from.

    Raises:
        UserError: the run's settings or tokens are missing or do not fit.
    """
    config = load_config(run / "config.yaml")
    if tokens is None:
        tokens = run / "tokens"
        if not (tokens / "tokens.json").is_file():
            raise UserError(f"{run}: the run's folder has no tokens; name their folder with --tokens")
    return TrainedModel(weights, config.features, config.model, tokens, origin, _read_lengths(run))


def _settings(kind: Callable[..., Settings], values: Any, path: Path) -> Settings:
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{path}: settings that this program does not know ({error}); export the model again") from None


def _read_exported(path: Path, tokens: Path | None) -> TrainedModel:
    file = path / SETTINGS_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version, features, model = content["format"], content["features"], content["model"]
        weights = load_file(path / WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{path}: not a whole exported folder ({error}); export the model again") from None
    if version > FORMAT:
        raise UserError(f"{file}: format {version}, but this program reads up to {FORMAT}; update it")
    return TrainedModel(
        weights,
        _settings(FeatureConfig, features, file),
        _settings(ModelConfig, model, file),
        tokens or path / "tokens",
        content.get("origin", {}),
        None if (seconds := content.get("utterance_seconds")) is None else (float(seconds[0]), float(seconds[1])),
    )
