"""What a run is made from beside its corpus: the model that it starts from, labels that are there already, and the
language model that others are searched with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asr.config import LABELERS, Config
from asr.errors import UserError

ABSENT = "absent"


def fingerprint_sources(config: Config) -> list[str]:
    """Stands for the content of `model.init`, a folder that `pseudo.labels` names, and `pseudo.lm`: as many strings as
    there are.

    What is not there yet is `absent`: earlier stages do without it, and training says what is missing.
    """
    from asr.decode.language_model import lexicon_beside
    from asr.decode.tuning import fingerprint as fingerprint_lm
    from asr.pseudo.shards import fingerprint_labels
    from asr.recognizer.trained import fingerprint_weights

    named: list[tuple[Callable[[Path], str], str]] = []
    if config.model.init:
        named.append((fingerprint_weights, config.model.init))
    if config.pseudo.labels not in LABELERS:
        named.append((fingerprint_labels, config.pseudo.labels))
    if config.pseudo.searches_words and config.pseudo.lm:
        named.append((fingerprint_lm, config.pseudo.lm))
        lexicon = lexicon_beside(Path(config.pseudo.lm).expanduser())
        if config.tokens.kind == "phones" and lexicon.is_file():
            named.append((fingerprint_lm, str(lexicon)))
    found: list[str] = []
    for fingerprint, path in named:
        try:
            found.append(fingerprint(Path(path).expanduser()))
        except UserError:
            found.append(ABSENT)
    return found
