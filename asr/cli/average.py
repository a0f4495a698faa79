"""Average the weights of a run's checkpoints, or of models, into a folder that others take as a model."""

from __future__ import annotations

import argparse

from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=path, metavar="RUN", help="a run's folder; with --with, any model")
    parser.add_argument("out", type=path, metavar="OUT", help="folder to be made")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--last", type=int, metavar="K", help="the newest K checkpoints")
    which.add_argument("--best", type=int, metavar="K", help="the K checkpoints of lowest dev WER")
    beside = "another model, which was trained on from it, or it from that; repeat it for more"
    which.add_argument("--with", type=path, action="append", dest="others", metavar="MODEL", help=beside)
    whose = "whose weights (default: student of checkpoints, teacher of models)"
    parser.add_argument("--model", choices=("student", "teacher"), help=whose)
    parser.add_argument("--tokens", type=path, metavar="DIR", help="token inventory, where the run's folder has none")


def run(arguments: argparse.Namespace) -> int:
    from asr.recognizer.average import average_checkpoints, average_models
    from asr.recognizer.folder import write_folder

    if arguments.others:
        trained = average_models([arguments.run_dir, *arguments.others], arguments.model, arguments.tokens)
    else:
        best = arguments.best is not None
        count = arguments.best if best else arguments.last
        whose = arguments.model or "student"
        trained = average_checkpoints(arguments.run_dir, count, best, whose, arguments.tokens)
    write_folder(trained, arguments.out)
    print(f"{', '.join(trained.origin['averaged'])}\n{arguments.out}")
    return 0
