"""Finding the trained model that a run starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asr.config import Config, FeatureConfig, ModelConfig
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.recognizer.trained import find_encoder
from asr.train.initial import Initial

SHAPES = ("layers", "width", "feedforward", "kernel", "convolution")
UNSEEN = ("heads", "proxy_head_width", "stride", "half_rate", "norm", "positions")
"""What makes another model of weights of the same names and shapes."""


def find_initial(config: Config, tokens: Path) -> Initial | None:
    """The model that `model.init` names; None where it names none. Of one with other tokens than those in the folder
    `tokens`, or with none, all but the head.

    Raises:
        UserError: there is no model, or it is of another shape.
    """
    source = config.model.init
    if not source:
        return None
    found = find_encoder(Path(source).expanduser())
    for section, name in (("features", "mels"), *(("model", name) for name in SHAPES)):
        there, here = getattr(getattr(found, section), name), getattr(getattr(config, section), name)
        if there != here:
            what = f"{section}.{name} is {there} there and {here} here; make them the same"
            raise UserError(f"model.init = {source}: {what}")
    differences = list(_compare(found.features, found.model, config))
    weights = found.weights
    if found.tokens is not None and config.objective.kind == "ctc":
        theirs, ours = (load_tokenizer(folder).symbols for folder in (found.tokens, tokens))
        if theirs != ours:
            differences.append(f"{len(theirs)} other tokens: the head starts from chance")
            weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
    return Initial(weights, source, tuple(differences))


def _compare(features: FeatureConfig, model: ModelConfig, config: Config) -> Iterator[str]:
    for section, theirs, ours, names in (
        ("features", features, config.features, ("window_ms", "shift_ms")),
        ("model", model, config.model, UNSEEN),
    ):
        for name in names:
            if (there := getattr(theirs, name)) != (here := getattr(ours, name)):
                yield f"{section}.{name} was {there} there and is {here} here"
