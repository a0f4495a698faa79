"""Print the table base → scaled of a batch scale, without training."""

from __future__ import annotations

import argparse

from asr.cli.recipe import find_config
from asr.scaling.plan import Plan
from asr.scaling.table import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", default="mini", metavar="mini|librispeech|digits|FILE.yaml")
    parser.add_argument("--batch-scale", type=float, metavar="κ", help="times the base batch (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")


def run(arguments: argparse.Namespace) -> int:
    print(format_table(Plan(find_config(arguments.corpus, arguments.set, arguments.batch_scale))))
    return 0
