"""Tuning of a language model's weights on a dev subset."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.audio_bar import audio_bar
from asr.data.manifest import Manifest
from asr.data.tokens import load_tokenizer
from asr.decode.choice import fuse
from asr.decode.decoder import references
from asr.decode.language_model import NO_LEXICON
from asr.decode.search import Weights
from asr.decode.tuning import FIRST_STEPS, Tuned, descend, fingerprint, write_tuned
from asr.errors import UserError
from asr.recipe.experiment import Experiment, Paths
from asr.recipe.language_model import ensure_lm
from asr.score.wer import ErrorCounts, count_errors
from asr.train.corpus import read_scored
from asr.train.evaluation import load_models, make_decoder


def choose_subset(config: Config, name: str | None) -> str:
    """The dev subset that is tuned on: the first one, unless it is named.

    Raises:
        UserError: it is none of the recipe's dev subsets, or a test set.
    """
    dev = [Path(subset).name for subset in config.corpus.dev]
    fit = [subset for subset in dev if "test" not in re.split("[^a-z]+", subset.lower())]
    if not fit:
        raise UserError(f"corpus.dev = {', '.join(dev) or 'nothing'}: no subset to tune on; a test set is not for that")
    if name is None:
        return fit[0]
    if name not in fit:
        raise UserError(
            f"--subset {name}: weights are tuned on one of the recipe's dev subsets, {', '.join(fit)}; "
            "a set that has been tuned on no longer tells how well others will be recognised"
        )
    return name


def pick_utterances(manifest: Manifest, count: int) -> Manifest:
    """So many utterances, evenly spread over the manifest and with it over speakers."""
    rows = np.unique(np.linspace(0, len(manifest) - 1, min(count, len(manifest))).round().astype(int))
    return Manifest([manifest[int(row)] for row in rows])


def hear(config: Config, paths: Paths, manifest: Manifest, model: str) -> list[Tensor]:
    """The model's log-probabilities of each utterance, `(frames, tokens)`."""
    tokenizer = load_tokenizer(paths.tokens)
    models, _ = load_models(config, tokenizer, paths.run)
    decoder = make_decoder(config, tokenizer)
    reader = AudioReader(config.train.loader_threads, 0)
    found: dict[int, Tensor] = {}
    try:
        with audio_bar(float(manifest.durations.sum()), "listening") as bar:
            for batch, heard in decoder.log_probs({model: models[model]}, manifest, reader):
                log_probs, real = heard[model]
                for row, one, frames in zip(batch.rows.tolist(), log_probs.cpu(), real.tolist(), strict=True):
                    found[row] = one[:frames].clone()
                bar.update(float(manifest.durations[batch.rows].sum()))
    finally:
        reader.close()
    return [found[row] for row in range(len(manifest))]


def tune(
    experiment: Experiment,
    paths: Paths,
    subset: str | None,
    model: str,
    utterances: int,
    tell: Callable[[str], None],
) -> Path:
    """Find the weights of a search with a language model, and write them where stage 4 looks; returns the file.

    Args:
        experiment: names the language model and the search's settings.
        paths: the run, trained.
        subset: of the recipe's dev subsets; None: the first.
        model: teacher or student.
        utterances: at most so many are decoded, again and again.
        tell: gets a line for each point.

    Raises:
        UserError: the subset is none to tune on, or something is missing.
    """
    config = experiment.config
    if config.tokens.kind == "phones" and config.decode.lexicon == NO_LEXICON:
        raise UserError(f"decode.lexicon = {NO_LEXICON}: phones are tuned for words; leave it empty, or name a lexicon")
    subset = choose_subset(config, subset)
    lm = ensure_lm(experiment, paths, tell)
    search = fuse(dataclasses.replace(config.decode, decoder="lm"), lm, paths.tokens, tell=tell)
    manifest = pick_utterances(read_scored(paths.dev, config.corpus.dev)[subset], utterances)
    tokenizer = load_tokenizer(paths.tokens)
    heard = hear(config, paths, manifest, model)
    said, audio = references(manifest), float(manifest.durations.sum())

    def measure(weights: Weights) -> float:
        begun = time.perf_counter()
        run = search.weighted(weights)
        texts = [run(one[None], torch.tensor([len(one)]))[0].text(tokenizer) for one in heard]
        wer = sum(count_errors(said, texts, "word"), ErrorCounts()).rate
        speed = audio / max(time.perf_counter() - begun, 1e-9)
        tell(f"WER {wer:7.2%}  {weights}   {speed:,.0f} × real time")
        return wer

    tell(f"{subset}: {len(manifest)} utterances, {manifest.hours:.2f} h, {model}")
    # Without words nothing is scored for them.
    by_words = config.decode.lexicon != NO_LEXICON
    weights, wer = descend(measure, FIRST_STEPS if by_words else FIRST_STEPS._replace(word_score=0.0))
    tell(f"best: {weights}, WER {wer:.2%} (flattered: it is what was tuned on)")
    found = weights.lm_weight, weights.word_score, wer, model, subset, len(manifest), weights.blank_penalty
    return write_tuned(paths.run, Tuned(fingerprint(lm), str(lm), config.decode.lexicon, *found))
