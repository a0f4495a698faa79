"""Make an n-gram language model (ARPA, modified Kneser-Ney) of texts, or of the labeled text of a corpus."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from asr.cli.recipe import add_experiment_arguments, find_experiment
from asr.errors import UserError, check_output
from asr.path_argument import path

if TYPE_CHECKING:
    from asr.decode.ngram import NgramSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="*", metavar="TEXT", help="files, - for standard input; default: labeled text")
    parser.add_argument("--out", type=path, metavar="FILE.arpa[.gz]", help="default: where stage 4 looks for it")
    parser.add_argument("--units", choices=("words", "tokens"), default="words", help="tokens: to use without lexicon")
    parser.add_argument("--order", type=int, metavar="N", help="longest n-gram, 2 to 6 (default: 3 words, 6 tokens)")
    known = "the N most frequent words are known, or those of a text or list; repeat it for both (default: all)"
    parser.add_argument("--vocabulary", action="append", default=[], metavar="N|TEXT", help=known)
    cutoff = "by order, such as 0,0,1: n-grams that occur so often or less are left out; the last counts for all above"
    parser.add_argument("--cutoff", default="", metavar="N,N,…", help=cutoff)
    prune = "leave out each n-gram without which perplexity rises by less than this share, such as 1e-7"
    parser.add_argument("--prune", type=float, default=0.0, metavar="X", help=prune)
    held_out = "print the perplexity of a text that the model is not made of; repeatable"
    parser.add_argument("--evaluate", action="append", default=[], metavar="TEXT", help=held_out)
    decimals = "of the file's logarithms (default: 4); 2 make it a fifth smaller when compressed, and hardly worse"
    parser.add_argument("--decimals", type=int, choices=range(1, 8), default=4, metavar="N", help=decimals)
    parser.add_argument("--tokens", type=path, metavar="DIR", help="the recognizer's tokens, such as RUN/tokens")
    add_experiment_arguments(parser)
    parser.epilog = (
        "A text: a sentence a line (also .gz, .xz), a .trans.txt or a folder of them, or a manifest (.jsonl). It goes "
        "through the normaliser that the recognizer's own texts went through."
    )


def _settings(arguments: argparse.Namespace) -> NgramSettings:
    from asr.decode.language_model import ORDERS, READABLE_ORDERS
    from asr.decode.ngram import NgramSettings

    order = ORDERS[arguments.units] if arguments.order is None else arguments.order
    least, most = READABLE_ORDERS
    if not least <= order <= most:
        raise UserError(f"--order {order}: must be between {least} and {most}, what KenLM's packages read")
    if not 0 <= arguments.prune < math.inf:
        raise UserError(f"--prune {arguments.prune:g}: must be a number, and at least 0")
    cutoffs = [part.strip() for part in arguments.cutoff.split(",")] if arguments.cutoff else []
    if not all(part.isdecimal() for part in cutoffs) or len(cutoffs) > order:
        raise UserError(f"--cutoff {arguments.cutoff}: must be at most {order} whole numbers, such as 0,0,1")
    numbers = [int(text) for text in arguments.vocabulary if text.isdecimal()]
    if len(numbers) > 1:
        raise UserError(f"--vocabulary {numbers[1]}: there is one already, {numbers[0]}; only texts add to each other")
    if 0 in numbers:
        raise UserError("--vocabulary 0: must be at least 1, or a text whose words are known")
    if arguments.units == "tokens" and (arguments.vocabulary or (cutoffs and int(cutoffs[0]))):
        raise UserError("--units tokens: all tokens are known; leave --vocabulary out, and begin --cutoff with 0")
    # Where only texts say what is known, no word is frequent enough by itself.
    words = numbers[0] if numbers else 0 if arguments.vocabulary else None
    return NgramSettings(order, tuple(map(int, cutoffs)), arguments.prune, words)


def run(arguments: argparse.Namespace) -> int:
    from asr.recipe.language_model import make_lm, own_lm_path
    from asr.recipe.stages import find_paths

    settings = _settings(arguments)
    texts, tokens, out = arguments.text, arguments.tokens, arguments.out
    if not texts:
        if out is None and (settings.prune or settings.cutoffs or arguments.vocabulary):
            raise UserError("stage 4's own model has all n-grams: give --out FILE, and name it with decode.lm")
        experiment = find_experiment(arguments)
        paths = find_paths(experiment)
        texts, tokens = [str(paths.manifests / "labeled.jsonl")], tokens or paths.tokens
        out = out or own_lm_path(experiment, paths, arguments.units, settings.order)
    elif out is None or tokens is None:
        raise UserError("of these texts: give --out FILE.arpa and, for how words are written, --tokens RUN/tokens")
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; name a file, such as {out / 'lm.arpa'}")
    known = [text for text in arguments.vocabulary if not text.isdecimal()]
    check_output([out], [*texts, *known, *arguments.evaluate])
    for line in make_lm(texts, tokens, arguments.units, settings, out, known, arguments.evaluate, arguments.decimals):
        print(line, flush=True)
    return 0
