"""The run of audio alone that an experiment starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from asr.config import Config, FeatureConfig, ModelConfig
from asr.errors import UserError
from asr.recipe.experiment import Experiment
from asr.recipe.settings import find_config

TRAINING_ALONE = ("model.dropout", "model.layerdrop", "model.init", "model.intermediate")
"""What makes no other model."""


def differing(config: Config, features: FeatureConfig, model: ModelConfig) -> Iterator[tuple[str, str]]:
    """In what another model differs from that of `config`: a setting by dotted name, and what it is there and here."""
    for section, here, there in (("features", config.features, features), ("model", config.model, model)):
        for name, value in dataclasses.asdict(here).items():
            dotted = f"{section}.{name}"
            if dotted not in TRAINING_ALONE and (found := getattr(there, name)) != value:
                yield dotted, f"{dotted} is {found!r} there and {value!r} here"


def _check(config: Config, before: Config) -> None:
    where = f"pretrain = {config.pretrain[0]}"
    if before.objective.kind == "ctc":
        raise UserError(f"{where}: is no run of audio alone; set objective.kind there, to masked for instance")
    for _, what in differing(config, before.features, before.model):
        raise UserError(f"{where}: {what}; make them the same")


def find_pretraining(experiment: Experiment) -> Experiment | None:
    """What is run before, with the corpus, name and seed of its own settings; None where there is nothing.

    Raises:
        UserError: its settings cannot be read, are none of audio alone, or make another model.
    """
    config = experiment.config
    if not config.pretrain or config.objective.kind != "ctc":
        return None
    corpus, *overrides = config.pretrain
    try:
        before = find_config(corpus, [f"batch_scale={config.batch_scale!r}", *overrides], None)
    except UserError as problem:
        raise UserError(f"pretrain = {corpus}: {str(problem).removeprefix(f'--corpus {corpus}: ')}") from None
    _check(config, before)
    return dataclasses.replace(experiment, config=before)
