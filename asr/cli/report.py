"""Draw the report of a run's folder again."""

from __future__ import annotations

import argparse

from asr.errors import check_output
from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=path)
    parser.add_argument("--out", type=path, help="default: report.html in the run's folder")


def run(arguments: argparse.Namespace) -> int:
    from asr.report.page import write_report

    out = arguments.out or arguments.run_dir / "report.html"
    check_output([out], [path for path in arguments.run_dir.glob("*") if path.suffix != ".html"])
    write_report(arguments.run_dir, out)
    print(out)
    return 0
