"""Train one run from manifests and tokens: what torchrun calls in every process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from asr.config_file import load_config
from asr.path_argument import path
from asr.recipe.launch import PREEMPTED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=path, metavar="CONFIG.yaml", help="settings of this run, resolved")
    parser.add_argument("--manifests", type=path, required=True, metavar="DIR", help="what stage 1 wrote")
    parser.add_argument("--dev", type=path, metavar="DIR", help="dev subsets (default: dev in --manifests)")
    parser.add_argument("--tokens", type=path, required=True, metavar="DIR", help="what stage 2 wrote")
    parser.add_argument("--run-dir", type=path, required=True, metavar="DIR", help="made, or gone on with")
    add_stop_argument(parser)


def add_stop_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-hours", type=float, metavar="H", help="leave training at this hour of audio; again: goes on"
    )


def preemptible(work: Callable[[], None]) -> int:
    """Run `work`; exit code 75, which schedulers take as "try again", where a signal stopped training."""
    from asr.train.stop import Preempted

    try:
        work()
    except Preempted as stop:
        print(f"kappa-asr: {stop}; the same command goes on from there", file=sys.stderr)
        return PREEMPTED
    return 0


def run(arguments: argparse.Namespace) -> int:
    from asr.recipe.initial import find_initial
    from asr.train.run import train

    config = load_config(arguments.config)
    where = arguments.manifests, arguments.tokens, arguments.run_dir
    initial = find_initial(config, arguments.tokens)
    return preemptible(
        lambda: train(config, *where, initial=initial, stop_hours=arguments.stop_hours, dev=arguments.dev)
    )
