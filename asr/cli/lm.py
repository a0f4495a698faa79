"""Make an n-gram language model (ARPA, modified Kneser-Ney) of texts, or of the labeled text of a corpus."""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.cli.recipe import add_experiment_arguments, find_experiment
from asr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="*", metavar="TEXT", help="files, - for standard input; default: labeled text")
    parser.add_argument("--out", type=Path, metavar="FILE.arpa", help="default: where stage 4 looks for it")
    parser.add_argument("--units", choices=("words", "tokens"), default="words", help="tokens: to use without lexicon")
    parser.add_argument("--order", type=int, metavar="N", help="longest n-gram, 2 to 6 (default: 3 words, 6 tokens)")
    parser.add_argument("--tokens", type=Path, metavar="DIR", help="the recognizer's tokens, such as RUN/tokens")
    add_experiment_arguments(parser)
    parser.epilog = (
        "A text has a sentence a line (.gz or not), or is a .trans.txt or a manifest (.jsonl). It goes through the "
        "normaliser that the recognizer's own texts went through."
    )


def run(arguments: argparse.Namespace) -> int:
    from asr.decode.language_model import ORDERS, READABLE_ORDERS
    from asr.recipe.decoding import make_lm, own_lm_path
    from asr.recipe.stages import find_paths

    order = ORDERS[arguments.units] if arguments.order is None else arguments.order
    least, most = READABLE_ORDERS
    if not least <= order <= most:
        raise UserError(f"--order {order}: must be between {least} and {most}, what KenLM's packages read")
    if arguments.text:
        if arguments.out is None or arguments.tokens is None:
            raise UserError("of these texts: give --out FILE.arpa and, for how words are written, --tokens RUN/tokens")
        print(make_lm(arguments.text, arguments.tokens, arguments.units, order, arguments.out))
        return 0
    experiment = find_experiment(arguments)
    paths = find_paths(experiment)
    out = arguments.out or own_lm_path(experiment, paths, arguments.units, order)
    labeled = str(paths.manifests / "labeled.jsonl")
    print(make_lm([labeled], arguments.tokens or paths.tokens, arguments.units, order, out))
    return 0
