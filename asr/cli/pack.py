"""Write a corpus's audio into shards, as clusters want it: plain tars, and a manifest of places in them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from asr.errors import UserError
from asr.path_argument import path

SHOWN = 10
"""Utterances that could not be packed, and are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    listed = "a folder of audio; or JSON lines of NeMo's or of stage 1, a Kaldi data folder, Lhotse's, a table"
    parser.add_argument("listed", type=path, metavar="IN", help=listed)
    parser.add_argument("out", type=path, metavar="OUT", help="folder of shards; the same command goes on with it")
    parser.add_argument("--megabytes", type=float, default=1000.0, metavar="N", help="of a shard (default: 1000)")
    parser.epilog = (
        "Files go into the tars as they are. OUT is a subset for corpus.source: manifest, and may be moved as a whole; "
        "`sha256sum -c SHA256SUMS` checks a copy of it."
    )


def run(arguments: argparse.Namespace) -> int:
    from data_prep.formats.listing import list_any
    from data_prep.pack import SUMS, pack

    if not arguments.megabytes > 0:
        raise UserError(f"--megabytes {arguments.megabytes:g}: must be more than 0")
    out: Path = arguments.out
    done = pack(
        list_any(arguments.listed), out, round(arguments.megabytes * 1e6), lambda line: print(line, file=sys.stderr)
    )
    if done is None:
        print(f"{out}: packed already; {SUMS} has the sums of its shards")
        return 0
    print(f"{out}: {done.utterances:,} utterances, {done.hours:.2f} h")
    if done.rejections:
        shown = "\n  ".join(map(str, done.rejections[:SHOWN])) + ("\n  …" if len(done.rejections) > SHOWN else "")
        raise UserError(f"{len(done.rejections):,} were left out:\n  {shown}")
    return 0
