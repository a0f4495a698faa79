"""Averages of a run's checkpoints: what the teacher is to be compared with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from asr.checkpoint.checkpoint import DamagedCheckpoint, best_first, list_checkpoints, load_checkpoint
from asr.errors import UserError
from asr.recognizer.trained import TrainedModel, model_of_run


def choose_checkpoints(run: Path, count: int, best: bool) -> list[Path]:
    """The newest `count` checkpoints, or those of lowest dev WER (the newer on a tie), oldest first.

    Raises:
        UserError: the run has fewer.
    """
    paths = list_checkpoints(run / "checkpoints")
    if best:
        paths = sorted(best_first(paths)[:count])
    if count < 1 or len(paths) < count:
        kind, key = ("scored checkpoints", "train.keep_best") if best else ("checkpoints", "train.keep_last")
        raise UserError(f"{run}: {len(paths)} {kind}, {count} asked for; ask for fewer, or train with a higher {key}")
    return paths[-count:]


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
    sums: dict[str, Tensor] = {}
    for path in paths:
        try:
            weights = load_checkpoint(path).tensors[model]
        except DamagedCheckpoint as error:
            raise UserError(f"{error}; delete this checkpoint, or average fewer") from None
        for name, tensor in weights.items():
            sums[name] = sums[name] + tensor.double() if name in sums else tensor.double()
    mean = {name: (total / len(paths)).to(torch.float32) for name, total in sums.items()}
    origin = {"run": run.resolve().name, "model": model, "averaged": [path.name for path in paths], "best": best}
    return model_of_run(run, mean, tokens, origin)
