"""How stage 4 decodes: which search, with which weights, and the folder that results go to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from asr.config import DecodeConfig
from asr.decode.choice import NamedSearch, fuse, search_prefixes
from asr.decode.language_model import NO_LEXICON, lexicon_beside
from asr.decode.tuning import choose_weights, find_tuned, fingerprint
from asr.recipe.experiment import Experiment, Paths, digest
from asr.recipe.language_model import Tell, is_the_users, lm_path


@dataclass(frozen=True)
class Decoding:
    settings: DecodeConfig
    """Those of the experiment, with language model and weights filled in."""
    folder: str
    """Below the run's `evaluation`; empty for greedy decoding, whose results lie in `evaluation` itself."""
    about: str
    note: str = ""
    """Where the weights come from."""


def _newest_checkpoint(run: Path) -> str:
    return max((p.name for p in (run / "checkpoints").glob("step-*")), default="")


def choose_decoding(experiment: Experiment, paths: Paths) -> Decoding:
    """What stage 4 does with these settings. Results of other settings, or another checkpoint, lie elsewhere.

    Raises:
        UserError: a language model or lexicon cannot be read.
    """
    decode = experiment.config.decode
    if decode.decoder == "greedy":
        return Decoding(decode, "", "greedy")
    about, note = f"beam {decode.width}", ""
    matters: list[object] = [decode.width, decode.tokens, decode.hotwords, decode.hotword_score]
    if decode.decoder == "lm":
        path = lm_path(experiment, paths)
        # The recipe's own may not be there yet.
        known = fingerprint(path) if path.is_file() or is_the_users(decode.lm) else ""
        named = decode.lexicon not in ("", NO_LEXICON)
        tuned = find_tuned(paths.run, known, decode.lexicon)
        weights, note = choose_weights(decode, tuned)
        decode = dataclasses.replace(decode, lm=str(path), **weights._asdict())
        about = f"lm {path.stem} {weights.lm_weight:g} {weights.word_score:+g}"
        about += f" blank −{weights.blank_penalty:g}" if weights.blank_penalty else ""
        matters += [known, *weights, fingerprint(Path(decode.lexicon)) if named else decode.lexicon]
        if decode.lexicon == "" and lexicon_beside(path).is_file():
            matters.append(fingerprint(lexicon_beside(path)))
    if decode.hotwords:
        about += f", {len(decode.hotwords)} hotwords"
    matters.append(_newest_checkpoint(paths.run))
    return Decoding(decode, f"{decode.decoder}-{digest(matters)}", about, note)


def open_search(decoding: Decoding, tokens: Path, tell: Tell) -> NamedSearch | None:
    """The search beside the greedy one. Raises UserError where it lacks a file or a package."""
    decode = decoding.settings
    if decode.decoder == "greedy":
        return None
    if decode.decoder == "beam":
        return NamedSearch(decoding.about, decoding.folder, search_prefixes(decode, tokens))
    # `choose_decoding` has filled them in.
    search = fuse(decode, Path(decode.lm), tokens, tell=tell).weighted(choose_weights(decode, None)[0])
    return NamedSearch(decoding.about, decoding.folder, search, decode.lexicon != NO_LEXICON)
