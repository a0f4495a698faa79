"""Measure how fast training steps are, and where their time goes, on a prepared corpus."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from asr.errors import UserError
from asr.path_argument import path
from asr.recipe.experiment import Experiment
from asr.recipe.settings import find_config
from asr.recipe.stages import find_paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", default="mini", metavar="NAME|FILE.yaml", help="settings in conf/, or a file (default: mini)"
    )
    parser.add_argument("--data-dir", type=path, default=Path("data"), help="audio (default: data)")
    parser.add_argument("--exp-dir", type=path, default=Path("exp"), help="results (default: exp)")
    parser.add_argument("--batch-scale", type=float, metavar="κ", help="times the base batch (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--steps", type=int, default=40, help="measured steps of each kind (default: 40)")


def run(arguments: argparse.Namespace) -> int:
    # PyTorch's profiler writes lines of its own to standard error, one of them an error where there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from asr.recipe.language_model import with_labels_lm
    from asr.train.profile import profile_training

    if arguments.steps < 1:
        raise UserError(f"--steps {arguments.steps}: must be 1 or more")
    config = find_config(arguments.corpus, arguments.set, arguments.batch_scale)
    experiment = Experiment(config, arguments.data_dir.absolute(), arguments.exp_dir.absolute())
    paths = find_paths(experiment)
    if not (paths.tokens / "tokens.json").is_file():
        raise UserError(f"{paths.tokens}: not prepared yet; run ./run.sh --corpus {arguments.corpus} --stop-stage 2")
    config = with_labels_lm(experiment, paths, print)
    print(profile_training(config, paths.manifests, paths.tokens, arguments.steps))
    return 0
