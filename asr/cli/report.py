"""Draw the report of a run's folder again."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--out", type=Path, help="default: report.html in the run's folder")


def run(arguments: argparse.Namespace) -> int:
    from asr.report.page import write_report

    out = arguments.out or arguments.run_dir / "report.html"
    write_report(arguments.run_dir, out)
    print(out)
    return 0
