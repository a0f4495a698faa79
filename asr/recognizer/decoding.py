"""Which search a trained model is used with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from asr.config import DecodeConfig
from asr.data.tokens import load_tokenizer
from asr.decode.choice import fuse, search_prefixes
from asr.decode.language_model import NO_LEXICON, check_package
from asr.decode.search import Search
from asr.decode.tuning import Tuned, choose_weights, find_tuned, fingerprint, read_tuned
from asr.errors import UserError


def run_folder(trained: Path) -> Path:
    """The run that a checkpoint is of; anything else is taken as it is."""
    return trained.resolve().parent.parent if (trained / "state.json").is_file() else trained


def open_search(config: DecodeConfig, trained: Path, tokens: Path, tell: Callable[[str], None]) -> Search | None:
    """The search that the settings ask for, with what was tuned for this run; None for the greedy one.

    Args:
        config: the settings; without a language model, the one that was tuned last is taken.
        trained: a run's folder, a checkpoint or an exported folder.
        tokens: the model's token inventory.
        tell: gets a line about the weights.

    Raises:
        UserError: no language model is named or was tuned, or something of it is missing.
    """
    if not load_tokenizer(tokens).writes_words and (config.decoder != "lm" or config.lexicon == NO_LEXICON):
        tell("this model writes phones; words take a lexicon: --decoder lm --lm FILE")
    if config.decoder == "greedy":
        return None
    if config.decoder == "beam":
        return search_prefixes(config, tokens)
    check_package()
    run = run_folder(trained)
    tuned: Tuned | None = None
    if config.lm:
        path = Path(config.lm)
        tuned = find_tuned(run, fingerprint(path), config.lexicon)
    else:
        entries = [t for t in read_tuned(run) if config.lexicon in ("", t.lexicon)]
        if not entries:
            raise UserError("--decoder lm: name a language model with --lm, or tune one: kappa-asr tune")
        tuned = entries[-1]
        # An exported folder has its own.
        path, config = run / tuned.lm, replace(config, lexicon=tuned.lexicon)
    weights, note = choose_weights(config, tuned)
    tell(f"{path.name}, {weights}: {note}")
    return fuse(config, path, tokens, "--lexicon", tell).weighted(weights)
