"""Write down a corpus as NeMo, Kaldi or Lhotse do."""

from __future__ import annotations

import argparse

from asr.errors import UserError, check_output
from asr.path_argument import path

FORMATS = ("nemo", "kaldi", "lhotse")
SHOWN = 10
"""Utterances that could not be written down, and are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    listed = "NeMo's JSON lines, a Kaldi data folder, Lhotse's manifests, CSV or TSV; or a folder of audio"
    parser.add_argument("listed", type=path, metavar="IN", help=listed)
    parser.add_argument("out", type=path, metavar="OUT", help="a file for nemo, a folder for kaldi and lhotse")
    parser.add_argument("--to", choices=FORMATS, required=True, help="who is to read it")
    parser.epilog = "Audio stays where it is and is named by its absolute path; its length is measured."


def run(arguments: argparse.Namespace) -> int:
    from data_prep.formats.listing import list_any
    from data_prep.formats.writing import FILES, WRITERS, measure_rows, refuse_unsayable

    listing = list_any(arguments.listed)
    outputs = [arguments.out, *(arguments.out / name for name in FILES[arguments.to])]
    audio = dict.fromkeys(source.path for source in listing.sources)
    check_output(outputs, [arguments.listed, *listing.files, *audio])
    rows, unmeasured = measure_rows(listing.sources)
    rows, unsayable = refuse_unsayable(rows, arguments.to)
    if rows:
        WRITERS[arguments.to](rows, arguments.out)
        hours = sum(row.seconds for row in rows) / 3600
        print(f"{arguments.out}: {len(rows):,} utterances, {hours:.2f} h")
    left_out = [*listing.rejections, *unmeasured, *unsayable]
    if left_out:
        shown = "\n  ".join(map(str, left_out[:SHOWN])) + ("\n  …" if len(left_out) > SHOWN else "")
        raise UserError(f"{len(left_out):,} were left out:\n  {shown}")
    if not rows:
        raise UserError(f"{arguments.listed}: no utterance in it; nothing was written")
    return 0
