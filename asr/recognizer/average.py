"""Averages of weights: of a run's checkpoints, to compare the teacher with, or of models of one descent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from asr.checkpoint.checkpoint import DamagedCheckpoint, best_first, list_checkpoints, load_checkpoint
from asr.config import ModelConfig
from asr.data.tokens import load_tokenizer, read_normaliser
from asr.errors import UserError
from asr.recognizer.trained import TrainedModel, digest_weights, find_trained, model_of_run


def choose_checkpoints(run: Path, count: int, best: bool) -> list[Path]:
    """The newest `count` checkpoints, or those of lowest dev WER (the newer on a tie), oldest first.

    Raises:
        UserError: the run has fewer, or it is none.
    """
    if count < 1:
        raise UserError(f"{count} checkpoints asked for: must be 1 or more")
    paths = list_checkpoints(run / "checkpoints")
    if not paths:
        raise UserError(f"{run}: no checkpoints; expected a run's folder (of exported models, --with makes the mean)")
    if best:
        paths = sorted(best_first(paths)[:count])
    if len(paths) < count:
        kind, key = ("scored checkpoints", "train.keep_best") if best else ("checkpoints", "train.keep_last")
        raise UserError(f"{run}: {len(paths)} {kind}, {count} asked for; ask for fewer, or train with a higher {key}")
    return paths[-count:]


def _mean(models: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    sums: dict[str, Tensor] = {}
    count = 0
    for weights in models:
        count += 1
        for name, tensor in weights.items():
            sums[name] = sums[name] + tensor.double() if name in sums else tensor.double()
    return {name: (total / count).to(torch.float32) for name, total in sums.items()}


def _heard_by(model: ModelConfig) -> ModelConfig:
    """What counts after training."""
    return dataclasses.replace(model, init="", dropout=0.0, layerdrop=0.0)


def average_models(paths: Sequence[Path], model: str | None = None, tokens: Path | None = None) -> TrainedModel:
    """The mean of the weights of models of which each was trained on from another of them.

    After Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022), who mix weights from before and after
    fine-tuning: the mean may be better than both. Of models that began apart it is none.

    Args:
        paths: runs' folders, checkpoints or exported folders; the first one's settings are taken.
        model: of a run, student or teacher; None: the teacher.
        tokens: folder of the token inventory, where a run's folder has none.

    Raises:
        UserError: one is no model, or of other shapes, tokens or features than the first.
    """
    models = [find_trained(path, model, tokens) for path in paths]
    first = models[0]
    shapes = {name: tensor.shape for name, tensor in first.weights.items()}
    for path, other in zip(paths[1:], models[1:], strict=True):
        same_shapes = {name: tensor.shape for name, tensor in other.weights.items()} == shapes
        symbols = [load_tokenizer(one.tokens).symbols for one in (first, other)]
        if not same_shapes or symbols[0] != symbols[1] or other.features != first.features:
            raise UserError(f"{path}: has other weights, tokens or features than {paths[0]}; they have no mean")
        here, there = (_heard_by(one.model) for one in (first, other))
        if here != there:
            name = next(name for name, value in dataclasses.asdict(here).items() if getattr(there, name) != value)
            raise UserError(
                f"{path}: model.{name} is {getattr(there, name)!r}, and {getattr(here, name)!r} in {paths[0]}; "
                "they have no mean"
            )
        spelled = [read_normaliser(one.tokens) for one in (first, other)]
        if spelled[0] != spelled[1]:
            raise UserError(
                f"{path}: its texts are {spelled[1]}, and those of {paths[0]} {spelled[0]}; they have no mean"
            )
    origin = {"model": first.origin.get("model"), "averaged": [digest_weights(one.weights)[:12] for one in models]}
    return dataclasses.replace(first, weights=_mean(one.weights for one in models), origin=origin)


def average_checkpoints(
    run: Path, count: int, best: bool, model: str = "student", tokens: Path | None = None
) -> TrainedModel:
    """The mean of a model's weights over checkpoints, summed in fp64.

    Args:
        run: the run's folder.
        count: how many checkpoints.
        best: those of lowest dev WER instead of the newest.
        model: student or teacher.
        tokens: folder of the token inventory, where the run's folder has none.

    Raises:
        UserError: there are too few checkpoints, or one is damaged.
    """
    paths = choose_checkpoints(run, count, best)

    def weights(path: Path) -> dict[str, Tensor]:
        try:
            return load_checkpoint(path).tensors[model]
        except DamagedCheckpoint as error:
            raise UserError(f"{error}; delete this checkpoint, or average fewer") from None

    mean = _mean(map(weights, paths))
    origin = {"run": run.resolve().name, "model": model, "averaged": [path.name for path in paths], "best": best}
    return model_of_run(run, mean, tokens, origin)
