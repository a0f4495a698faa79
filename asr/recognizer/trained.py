"""Finding a trained model: in a run's folder, in one of its checkpoints, or in an exported folder."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asr.checkpoint.checkpoint import Checkpoint, DamagedCheckpoint, load_checkpoint, load_newest
from asr.config import FeatureConfig, ModelConfig
from asr.config_file import check_sections, load_config
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.model.encoder import Encoder

FORMAT = 2
"""1 counted the positions of CAPE from an utterance's beginning, 2 from its middle."""
SETTINGS_FILE = "recognizer.json"
WEIGHTS_FILE = "model.safetensors"
LENGTHS_FILE = "lengths.json"
MODELS = ("teacher", "student")


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
    utterance_seconds: tuple[float, float, float] | None = None
    """1st and 99th percentile and maximum of the lengths that it was trained on, where they are known."""

    def __post_init__(self) -> None:
        size, rows = load_tokenizer(self.tokens).size, self.weights["head.bias"].shape[0]
        if size != rows:
            raise UserError(f"{self.tokens}: {size} tokens, but the model was trained with {rows}; name the run's own")


@dataclass(frozen=True)
class TrainedEncoder:
    """What another run can start from: a recognizer, or a run of audio alone, without a head."""

    weights: dict[str, Tensor]
    features: FeatureConfig
    model: ModelConfig
    tokens: Path | None
    """Folder of the token inventory that the head is for; None without a head."""


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
    run, checkpoint = _find_checkpoint(path)
    name = model or MODELS[0]
    dev_wer = checkpoint.state.get("dev_wer")
    origin = {"run": run.resolve().name, "step": checkpoint.step, "model": name, "dev_wer": dev_wer}
    return model_of_run(run, checkpoint.tensors.get(name, {}), tokens, origin)


def find_encoder(path: Path) -> TrainedEncoder:
    """The model at `path`, as `find_trained` has it, or that of a run of audio alone.

    Raises:
        UserError: there is no model.
    """
    if not (path / SETTINGS_FILE).is_file():
        run, checkpoint = _find_checkpoint(path)
        config = load_config(run / "config.yaml")
        if config.objective.kind != "ctc":
            weights = checkpoint.tensors.get(MODELS[0], {})
            where = f"{run / 'config.yaml'} and checkpoints"
            _check_weights(weights, config.features, config.model, where, head=False)
            return TrainedEncoder(weights, config.features, config.model, None)
    found = find_trained(path)
    return TrainedEncoder(found.weights, found.features, found.model, found.tokens)


def fingerprint_weights(path: Path) -> str:
    """Stands for the content of the model at `path`. Raises UserError where there is none."""
    if (path / SETTINGS_FILE).is_file():
        try:
            with (path / WEIGHTS_FILE).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path / WEIGHTS_FILE}: cannot read the model ({error.strerror})") from None
    return digest_weights(_find_checkpoint(path)[1].tensors.get(MODELS[0], {}))


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and bytes."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        # As bytes: NumPy knows no bfloat16.
        digest.update(name.encode() + weights[name].contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _find_checkpoint(path: Path) -> tuple[Path, Checkpoint]:
    """A run's folder and the checkpoint that `path`, either of them, leads to."""
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
    return run, checkpoint


def _misfit(weights: dict[str, Tensor], features: FeatureConfig, model: ModelConfig, head: bool) -> str:
    """The first tensor that is missing, unknown or of another shape; empty where all is as the settings say."""
    # Every layer has tensors: no more are built than there are, however many the settings name.
    if model.layers > len(weights):
        return f"{model.layers} layers, but {len(weights)} tensors"
    rows = 0 if not head else weights["head.bias"].numel() if "head.bias" in weights else 1
    try:
        with torch.device("meta"):
            expected = Encoder(features.mels, rows, model).state_dict()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        return " ".join(str(error).split())[:200]
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights:
            return f"tensor {name!r} is missing"
        if name not in expected:
            return f"tensor {name!r} is none of this model's"
        if (found := list(weights[name].shape)) != (shape := list(expected[name].shape)):
            return f"tensor {name!r} should be {shape} and is {found}"
    return ""


def _check_weights(
    weights: dict[str, Tensor], features: FeatureConfig, model: ModelConfig, where: str, head: bool = True
) -> None:
    """Raises UserError, beginning with `where`, where weights and settings are not of one model."""
    if wrong := _misfit(weights, features, model, head):
        raise UserError(f"{where}: the weights do not fit the settings ({wrong})")


def _seconds(values: Any) -> tuple[float, float, float]:
    """`utterance_seconds` as files have it; older ones lack the maximum. Raises TypeError or ValueError."""
    shortest, usual, *rest = map(float, values)
    longest = rest[0] if rest else usual
    if len(rest) > 1 or not 0 < shortest <= usual <= longest < math.inf:
        raise ValueError(f"utterance_seconds {values!r}")
    return shortest, usual, longest


def _read_lengths(run: Path) -> tuple[float, float, float] | None:
    """What training recorded of its utterances' lengths; None for a run of before it did."""
    try:
        return _seconds(json.loads((run / LENGTHS_FILE).read_text(encoding="utf-8"))["utterance_seconds"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{run / LENGTHS_FILE}: not what training writes ({error}); delete it") from None


def model_of_run(run: Path, weights: dict[str, Tensor], tokens: Path | None, origin: dict[str, Any]) -> TrainedModel:
    """Weights together with the settings and the tokens of the run that they are from.

    Raises:
        UserError: the run's settings or tokens are missing or do not fit.
    """
    config = load_config(run / "config.yaml")
    if config.objective.kind != "ctc":
        raise UserError(f"{run}: was trained on audio alone and writes no text; start a run from it, by model.init")
    if config.tokens.kind == "phones" and "dev_wer" in origin:
        # What checkpoints call so is counted in phones then.
        origin = {name.replace("dev_wer", "dev_per"): value for name, value in origin.items()}
    if tokens is None:
        tokens = run / "tokens"
        if not (tokens / "tokens.json").is_file():
            raise UserError(f"{run}: the run's folder has no tokens; name their folder with --tokens")
    _check_weights(weights, config.features, config.model, f"{run / 'config.yaml'} and checkpoints")
    return TrainedModel(weights, config.features, config.model, tokens, origin, _read_lengths(run))


def _read_exported(path: Path, tokens: Path | None) -> TrainedModel:
    file = path / SETTINGS_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version, sections = content["format"], {name: content[name] for name in ("features", "model")}
        origin, seconds = dict(content.get("origin", {})), content.get("utterance_seconds")
        lengths = None if seconds is None else _seconds(seconds)
        if type(version) is not int:
            raise ValueError(f"format {version!r}")
        weights = {name: tensor.float() for name, tensor in load_file(path / WEIGHTS_FILE).items()}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, SafetensorError) as error:
        raise UserError(f"{path}: not a whole exported folder ({error}); export the model again") from None
    if version > FORMAT:
        raise UserError(f"{file}: format {version}, but this program reads up to {FORMAT}; update it")
    config = check_sections(sections, str(file))
    if version < 2 and config.model.positions == "cape":
        raise UserError(f"{file}: format {version} counts positions (CAPE) otherwise than this program; train again")
    _check_weights(weights, config.features, config.model, f"{file} and {WEIGHTS_FILE}")
    return TrainedModel(weights, config.features, config.model, tokens or path / "tokens", origin, lengths)
