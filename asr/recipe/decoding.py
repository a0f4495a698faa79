"""How stage 4 decodes: the recipe's language model, its weights, and the folder that results go to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.config import DecodeConfig
from asr.data.tokens import load_tokenizer, read_normaliser
from asr.decode.arpa import write_arpa
from asr.decode.choice import NamedSearch, fuse, search_prefixes
from asr.decode.corpus import read_sentences, tell_unspelled
from asr.decode.language_model import NO_LEXICON, ORDERS, token_texts
from asr.decode.ngram import UNKNOWN, train_ngrams
from asr.decode.tuning import choose_weights, find_tuned, fingerprint
from asr.recipe.experiment import Experiment, Paths, digest
from asr.text.normaliser import find_normaliser

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Decoding:
    settings: DecodeConfig
    """Those of the experiment, with language model and weights filled in."""
    folder: str
    """Below the run's `evaluation`; empty for greedy decoding, whose results lie in `evaluation` itself."""
    about: str
    note: str = ""
    """Where the weights come from."""


def lm_path(experiment: Experiment, paths: Paths) -> Path:
    """The language model that the settings name, or else the one that is made from labeled text."""
    decode = experiment.config.decode
    if decode.lm:
        return Path(decode.lm).expanduser().absolute()
    units = "tokens" if decode.lexicon == NO_LEXICON else "words"
    return own_lm_path(experiment, paths, units, ORDERS[units])


def own_lm_path(experiment: Experiment, paths: Paths, units: str, order: int) -> Path:
    """Where a model of the labeled text lies."""
    return experiment.home / "lm" / digest([order, paths.manifests.name, paths.tokens.name]) / f"{units}.arpa"


def make_lm(names: Sequence[str], tokens: Path, units: str, order: int, out: Path) -> str:
    """Make an n-gram model of texts; returns what to tell the user.

    Args:
        names: the texts, as `asr.decode.corpus.read_sentences` takes them.
        tokens: the recognizer's inventory.
        units: words, or tokens for decoding without a lexicon.
        order: longest n-gram.
        out: the ARPA file.

    Raises:
        UserError: a text cannot be read, or there is none.
    """
    tokenizer = load_tokenizer(tokens)
    normaliser, unspelled = read_normaliser(tokens), Counter[str]()
    unknown = "" if units == "tokens" else UNKNOWN
    sentences = read_sentences(names, tokenizer, find_normaliser(normaliser), unknown, unspelled)
    if units == "tokens":
        model = train_ngrams(token_texts(sentences, tokenizer), order)
    else:
        model = train_ngrams((sentence.split() for sentence in sentences), order)
    write_arpa(out, model)
    sizes = ", ".join(f"{len(table.word):,} {n}-grams" for n, table in enumerate(model.tables, 1))
    told = f"{out}: {sizes} of {units}; normaliser {normaliser}"
    return f"{told}\n{tell_unspelled(unspelled)}" if unspelled else told


def ensure_lm(experiment: Experiment, paths: Paths, tell: Tell) -> Path:
    """The language model, made now where it is the recipe's own and not there yet."""
    path = lm_path(experiment, paths)
    if not experiment.config.decode.lm and not path.is_file():
        labeled = paths.manifests / "labeled.jsonl"
        tell(f"language model: made from {labeled}")
        tell(make_lm([str(labeled)], paths.tokens, path.stem, ORDERS[path.stem], path))
    return path


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
    about, note = f"beam {decode.beam}", ""
    matters: list[object] = [decode.beam, decode.tokens, decode.hotwords, decode.hotword_score]
    if decode.decoder == "lm":
        path = lm_path(experiment, paths)
        # The recipe's own may not have been made yet.
        known = fingerprint(path) if decode.lm or path.is_file() else ""
        named = decode.lexicon not in ("", NO_LEXICON)
        tuned = find_tuned(paths.run, known, decode.lexicon)
        weight, score, note = choose_weights(decode, tuned)
        decode = dataclasses.replace(decode, lm=str(path), lm_weight=weight, word_score=score)
        about = f"lm {path.stem} {weight:g} {score:+g}"
        matters += [known, weight, score, fingerprint(Path(decode.lexicon)) if named else decode.lexicon]
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
    if decode.lm_weight is None or decode.word_score is None:
        raise ValueError("the weights have not been chosen")
    search = fuse(decode, Path(decode.lm), tokens, tell=tell).weighted(decode.lm_weight, decode.word_score)
    return NamedSearch(decoding.about, decoding.folder, search, decode.lexicon != NO_LEXICON)
