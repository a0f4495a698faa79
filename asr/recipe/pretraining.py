"""The run of audio alone that an experiment starts from."""

from __future__ import annotations

import dataclasses

from asr.config import Config, ModelConfig
from asr.errors import UserError
from asr.recipe.experiment import Experiment
from asr.recipe.settings import find_config


def _shape(model: ModelConfig) -> ModelConfig:
    """What two models have in common of which one can start from the other."""
    return dataclasses.replace(model, dropout=0.0, layerdrop=0.0, init="", intermediate=())


def _check(config: Config, before: Config) -> None:
    where = f"pretrain = {config.pretrain[0]}"
    if before.objective.kind == "ctc":
        raise UserError(f"{where}: is no run of audio alone; set objective.kind there, to masked for instance")
    sections = ((_shape(config.model), _shape(before.model)), (config.features, before.features))
    for own, other in sections:
        for name, value in dataclasses.asdict(own).items():
            if (found := getattr(other, name)) != value:
                section = "features" if own is config.features else "model"
                raise UserError(f"{where}: {section}.{name} is {found!r} there and {value!r} here; make them the same")


def find_pretraining(experiment: Experiment) -> Experiment | None:
    """What is run before, with the corpus, name and seed of its own settings; None where there is nothing.

    Raises:
        UserError: its settings cannot be read, are none of audio alone, or make another model.
    """
    config = experiment.config
    if not config.pretrain or config.objective.kind != "ctc":
        return None
    corpus, *overrides = config.pretrain
    before = find_config(corpus, [f"batch_scale={config.batch_scale!r}", *overrides], None)
    _check(config, before)
    return dataclasses.replace(experiment, config=before)
