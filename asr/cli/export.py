"""Write a trained model to one folder: weights, tokens, features, a loader, and ONNX by option."""

from __future__ import annotations

import argparse

from asr.cli.transcribe import add_model_arguments
from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("out", type=path, metavar="OUT", help="folder to be made")
    parser.add_argument(
        "--onnx",
        action="store_true",
        help="also model.onnx in fp32, checked against PyTorch",
    )
    parser.add_argument(
        "--sherpa",
        action="store_true",
        help="also a folder that sherpa-onnx runs (kind: omnilingual), checked likewise",
    )
    parser.add_argument(
        "--int8", action="store_true", help="also these two with weights, and only them, in 8 bits: under half the size"
    )
    parser.add_argument("--half", action="store_true", help="weights in fp16: half the size")
    lm = (
        "put this language model into the folder, as tuned for the run; transcribe then uses it unless told otherwise "
        "(default: the one that an exported MODEL holds)"
    )
    parser.add_argument("--lm", type=path, metavar="FILE", help=lm)


def run(arguments: argparse.Namespace) -> int:
    from asr.recognizer.decoding import run_folder
    from asr.recognizer.folder import write_folder
    from asr.recognizer.shipped import own_language_model, tuned_for
    from asr.recognizer.trained import find_trained

    trained = find_trained(arguments.trained, arguments.model, arguments.tokens)
    path = own_language_model(arguments.trained) if arguments.lm is None else arguments.lm
    lm = None if path is None else (path, tuned_for(run_folder(arguments.trained), path))
    found = write_folder(trained, arguments.out, arguments.onnx, arguments.sherpa, arguments.half, arguments.int8, lm)
    for name, difference in found.items():
        print(f"{name}: ONNX Runtime and PyTorch differ by {difference:.1e} in log-probability at most")
    print(arguments.out)
    return 0
