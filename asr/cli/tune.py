"""Tune the weights of a language model on a dev subset, for stage 4 and transcribe."""

from __future__ import annotations

import argparse

from asr.cli.recipe import add_experiment_arguments, find_experiment
from asr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment_arguments(parser)
    parser.add_argument("--subset", metavar="NAME", help="one of corpus.dev (default: the first)")
    parser.add_argument(
        "--model", choices=("teacher", "student"), default="teacher", help="which hears (default: teacher)"
    )
    parser.add_argument("--utterances", type=int, default=500, metavar="N", help="at most (default: 500)")
    parser.epilog = "The language model is decode.lm, or the one of the labeled text. Results lie in the run's folder."


def run(arguments: argparse.Namespace) -> int:
    if arguments.utterances < 1:
        raise UserError(f"--utterances {arguments.utterances}: must be at least 1")
    from asr.recipe.language_model import check_lm
    from asr.recipe.stages import find_paths, say
    from asr.recipe.tuning import tune

    experiment = find_experiment(arguments)
    check_lm(experiment, say)
    paths = find_paths(experiment)
    print(tune(experiment, paths, arguments.subset, arguments.model, arguments.utterances, say))
    return 0
