"""Compare the singular values of two models, such as a narrow one and a wide one of the width rule."""

from __future__ import annotations

import argparse

from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=path, metavar="MODEL", help="a run's folder, a checkpoint or an exported folder")
    parser.add_argument("second", type=path, metavar="MODEL")
    parser.add_argument("--model", choices=("teacher", "student"), help="of runs (default: teacher)")
    parser.add_argument("--out", type=path, metavar="FIGURE.svg", help="draw all singular values")


def run(arguments: argparse.Namespace) -> int:
    from asr.recognizer.trained import find_trained
    from asr.study.figure import draw_spectra
    from asr.study.spectra import compare_spectra, format_spectra

    first, second = (find_trained(path, arguments.model).weights for path in (arguments.first, arguments.second))
    spectra = compare_spectra(first, second)
    print(format_spectra(spectra))
    if arguments.out is not None:
        draw_spectra(spectra, arguments.out)
        print(arguments.out)
    return 0
