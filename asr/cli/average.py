"""Average the weights of a run's checkpoints into a folder that the other verbs take as a model."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to be made")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--last", type=int, metavar="K", help="the newest K checkpoints")
    which.add_argument("--best", type=int, metavar="K", help="the K checkpoints of lowest dev WER")
    parser.add_argument(
        "--model", choices=("student", "teacher"), default="student", help="whose weights (default: student)"
    )
    parser.add_argument("--tokens", type=Path, metavar="DIR", help="token inventory, where the run's folder has none")


def run(arguments: argparse.Namespace) -> int:
    from asr.recognizer.average import average_checkpoints
    from asr.recognizer.folder import write_folder

    best = arguments.best is not None
    count = arguments.best if best else arguments.last
    trained = average_checkpoints(arguments.run_dir, count, best, arguments.model, arguments.tokens)
    write_folder(trained, arguments.out)
    print(f"{', '.join(trained.origin['averaged'])}\n{arguments.out}")
    return 0
