"""Measure how fast training steps are, and where their time goes, on a prepared corpus."""

from __future__ import annotations

import argparse
import os

from asr.cli.recipe import add_experiment_arguments, find_experiment
from asr.errors import UserError
from asr.recipe.stages import find_paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment_arguments(parser)
    parser.add_argument("--steps", type=int, default=40, help="measured steps of each kind (default: 40)")


def run(arguments: argparse.Namespace) -> int:
    # PyTorch's profiler writes lines of its own to standard error, one of them an error where there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from asr.recipe.language_model import with_labels_lm
    from asr.train.profile import profile_training

    if arguments.steps < 1:
        raise UserError(f"--steps {arguments.steps}: must be 1 or more")
    experiment = find_experiment(arguments)
    paths = find_paths(experiment)
    if not (paths.tokens / "tokens.json").is_file():
        raise UserError(
            f"{paths.tokens}: not prepared yet; run kappa-asr recipe --stop-stage 2 with the same --corpus, "
            "--data-dir, --exp-dir and --set"
        )
    config = with_labels_lm(experiment, paths, print)
    print(profile_training(config, paths.manifests, paths.tokens, arguments.steps))
    return 0
