"""Prepare a corpus, train, evaluate and report: what ./run.sh calls."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from asr.cli.train import add_stop_argument, preemptible
from asr.errors import UserError
from asr.path_argument import path
from asr.recipe.dry_run import describe_stages
from asr.recipe.experiment import Experiment
from asr.recipe.launch import PREEMPTED
from asr.recipe.pretraining import find_pretraining
from asr.recipe.settings import find_config
from asr.recipe.stages import NAMES, StageFailed, run_stages


def add_experiment_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run is meant: arguments of every verb that works on one of the recipe's."""
    parser.add_argument(
        "--corpus", default="mini", metavar="NAME|FILE.yaml", help="settings in conf/, or a file (default: mini)"
    )
    parser.add_argument("--data-dir", type=path, default=Path("data"), help="audio (default: data)")
    parser.add_argument("--exp-dir", type=path, default=Path("exp"), help="results (default: exp)")
    parser.add_argument("--batch-scale", type=float, metavar="κ", help="times the base batch (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    last = len(NAMES) - 1
    add_experiment_arguments(parser)
    parser.add_argument("--stage", type=int, default=0, choices=range(last + 1), help="start here")
    parser.add_argument("--stop-stage", type=int, default=last, choices=range(last + 1), help="end after this")
    parser.add_argument("--nproc", type=int, default=1, metavar="N", help="processes on this machine, one per GPU")
    parser.add_argument("--decoder", choices=("greedy", "beam", "lm"), help="of stage 4 (default: greedy)")
    add_stop_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would run")


def find_experiment(arguments: argparse.Namespace) -> Experiment:
    """The experiment that `add_experiment_arguments` name."""
    config = find_config(arguments.corpus, arguments.set, arguments.batch_scale)
    return Experiment(config, arguments.data_dir.absolute(), arguments.exp_dir.absolute())


def run(arguments: argparse.Namespace) -> int:
    if arguments.nproc < 1:
        raise UserError(f"--nproc {arguments.nproc}: must be at least 1")
    if arguments.stop_hours is not None and arguments.stop_stage > 3:
        raise UserError("--stop-hours leaves nothing finished to evaluate: give --stop-stage 3 with it")
    if arguments.stop_stage < arguments.stage:
        raise UserError(f"--stop-stage {arguments.stop_stage} lies before --stage {arguments.stage}")
    experiment = find_experiment(arguments)
    config = experiment.config
    if arguments.decoder is not None:
        config = dataclasses.replace(config, decode=dataclasses.replace(config.decode, decoder=arguments.decoder))
        experiment = dataclasses.replace(experiment, config=config)
    # Also refuses an impossible κ before anything is prepared.
    from asr.scaling.plan import Plan

    before = find_pretraining(experiment)
    for own in [config] if before is None else [before.config, config]:
        Plan(own)
    stages = arguments.stage, arguments.stop_stage, arguments.nproc
    if arguments.dry_run:
        describe_stages(experiment, *stages)
        return 0
    try:
        return preemptible(lambda: run_stages(experiment, *stages, stop_hours=arguments.stop_hours))
    except StageFailed as failure:
        if failure.code != PREEMPTED:
            print(f"kappa-asr: training failed ({failure}); its messages are above", file=sys.stderr)
        return failure.code
