"""Finding the trained model that a run starts from."""

from __future__ import annotations

from pathlib import Path

from asr.config import Config
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.model.encoder import HEAD
from asr.recipe.pretraining import differing
from asr.recognizer.trained import find_encoder
from asr.train.initial import Initial

SHAPES = "features.mels model.layers model.width model.feedforward model.kernel model.convolution model.norm".split()
"""Of weights of other names or shapes; all else makes another model of the same weights."""


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
    differences: list[str] = []
    for name, what in differing(config, found.features, found.model):
        if name in SHAPES:
            raise UserError(f"model.init = {source}: {what}; make them the same")
        differences.append(what)
    weights = found.weights
    if found.tokens is not None and config.objective.kind == "ctc":
        theirs, ours = (load_tokenizer(folder).symbols for folder in (found.tokens, tokens))
        if theirs != ours:
            differences.append(f"{len(theirs)} other tokens: the head starts from chance")
            weights = {name: tensor for name, tensor in weights.items() if not name.startswith(HEAD)}
    return Initial(weights, source, tuple(differences))
