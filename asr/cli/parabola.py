"""Draw where the EMA rule ends on a noisy parabola, whose distributions are known exactly."""

from __future__ import annotations

import argparse

from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=path, metavar="FIGURE.svg")
    parser.add_argument("--bound", type=float, default=0.05, help="distance that counts as departed (default: 0.05)")


def run(arguments: argparse.Namespace) -> int:
    from asr.study.figure import draw_parabola
    from asr.study.parabola import Parabola, departure

    problem = Parabola()
    draw_parabola(problem, arguments.bound, arguments.out)
    for rule in (True, False):
        found = departure(problem, arguments.bound, rule)
        end = "follows throughout" if found is None else f"departs at κ = {found}"
        print(f"{'with' if rule else 'without'} ρ^κ: {end}")
    print(arguments.out)
    return 0
