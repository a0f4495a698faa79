"""Find when each word of a known text is said: TextGrid, CTM or JSON."""

from __future__ import annotations

import argparse
import sys

from asr.cli.transcribe import (
    add_audio_arguments,
    add_window_arguments,
    find_files,
    open_bar,
    open_model,
    say,
    write,
)
from asr.errors import UserError
from asr.path_argument import path

FORMATS = ("TextGrid", "ctm", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_audio_arguments(parser)
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", help="what is said in the one file")
    text.add_argument(
        "--transcripts", type=path, metavar="FILE", help=".trans.txt: a file's name without suffix, its words"
    )
    star = "the text is only a part of what is said: anything may be said before, between and after its words"
    parser.add_argument("--star", action="store_true", help=star)
    formats = "TextGrid: Praat's; ctm: NIST's, a word a line; json: a line for each file (default: TextGrid)"
    parser.add_argument("--format", choices=FORMATS, default="TextGrid", help=formats)
    parser.add_argument("--out", type=path, metavar="DIR", help="write a file for each; default: standard output")
    add_window_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from asr.data.audio_bar import advance
    from asr.recognizer.alignment import align_files, texts_of
    from asr.recognizer.audio import check_names
    from asr.recognizer.output import ALIGNMENT_FORMATS, open_output, write_result

    files = find_files(arguments)
    if arguments.out is not None:
        open_output(arguments.out, files, arguments.format)
    elif arguments.format == "ctm":
        # Which knows recordings by their names alone.
        check_names(files)
    elif len(files) > 1 and arguments.format == "TextGrid":
        raise UserError(f"{len(files)} files as TextGrid: give --out DIR, for a file each")
    texts = texts_of(files, arguments.transcripts if arguments.text is None else arguments.text, say)
    recognizer = open_model(arguments)
    form = ALIGNMENT_FORMATS[arguments.format]
    with open_bar(files, "aligning") as bar:
        aligned = align_files(recognizer, files, texts, say, lambda done: advance(bar, done), arguments.star)
        for alignment in aligned:
            if arguments.out is None:
                write(form(alignment), sys.stdout)
            else:
                write_result(arguments.out, alignment.file, arguments.format, form(alignment))
    return 0
