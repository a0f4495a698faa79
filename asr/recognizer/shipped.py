"""What goes with an exported model: a language model of its own; and the model that comes with this program."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from asr.data.phones import LEXICON, PhoneTokenizer
from asr.data.tokens import load_tokenizer
from asr.decode.arpa import read_words
from asr.decode.language_model import lexicon_beside
from asr.decode.tuning import Tuned, find_tuned, fingerprint, read_tuned, write_tuned
from asr.errors import UserError
from asr.recognizer.trained import SETTINGS_FILE

SHIPPED = Path(__file__).parents[2] / "models" / "librispeech-5h"
"""Beside the code, where it is not installed as a wheel."""


def holds_model(path: Path) -> bool:
    """Whether a folder is a run's, a checkpoint or an exported one, rather than one of audio."""
    return any((path / name).exists() for name in (SETTINGS_FILE, "config.yaml", "checkpoints", "state.json"))


def shipped_model() -> Path:
    """Raises UserError where none came with the program."""
    if not holds_model(SHIPPED):
        raise UserError("no model is named, and none came with this program: name a run's or an exported folder")
    return SHIPPED


def tuned_for(run: Path, lm: Path) -> Tuned:
    """The weights that a language model has with a run. Raises UserError where they have not been tuned."""
    tuned = find_tuned(run, fingerprint(lm), "")
    if tuned is None:
        raise UserError(f"{lm}: has not been tuned for {run}; run kappa-asr tune with --set decode.lm={lm}")
    return tuned


def own_language_model(folder: Path) -> Path | None:
    """The language model that lies in an exported folder; None where there is none."""
    if not (folder / SETTINGS_FILE).is_file():
        return None
    beside = [folder / tuned.lm for tuned in read_tuned(folder) if not Path(tuned.lm).is_absolute()]
    return beside[-1] if beside else None


def put_language_model(folder: Path, lm: Path, tuned: Tuned) -> None:
    """Put a language model, with its weights, into an exported folder.

    Of how words are said, a model of phones keeps what this language model needs.
    """
    name = "lm" + lm.name[len(lm.name.partition(".")[0]) :]
    shutil.copyfile(lm, folder / name)
    write_tuned(folder, dataclasses.replace(tuned, lm=name))
    tokenizer = load_tokenizer(folder / "tokens")
    if isinstance(tokenizer, PhoneTokenizer):
        if lexicon_beside(lm).is_file():
            tokenizer.learn(lexicon_beside(lm))
        said = tokenizer.list_pronunciations(read_words(lm))
        (folder / "tokens" / LEXICON).write_bytes(said)
