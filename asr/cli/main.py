"""The command line: one verb per file, errors as one line, exit codes.

0: done. 1: an error rate is above the one allowed; shards of labels are missing (`label --status`). 2: something for
the user to put right. 75: stopped by a signal, with a checkpoint; the same command goes on. 130: interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence

from asr.errors import UserError
from asr.processors import wait_briefly

VERBS = {
    "recipe": "Prepare a corpus, train, evaluate and report: what ./run.sh calls.",
    "plan": "Print what a batch scale changes, and what it asks of each device, without training.",
    "profile": "Measure how fast training steps are, and where their time goes, on a prepared corpus.",
    "train": "Train one run from manifests and tokens: what torchrun calls in every process.",
    "manifest": "Write down a corpus as NeMo, Kaldi or Lhotse do.",
    "pack": "Write a corpus's audio into shards, as clusters want it: plain tars, and a manifest of places in them.",
    "lm": "Make an n-gram language model (ARPA, modified Kneser-Ney) of texts, or of the labeled text of a corpus.",
    "tune": "Tune the weights of a language model on a dev subset, for stage 4 and transcribe.",
    "score": "Word and character error rates of any recognizer's hypotheses, and comparisons of several.",
    "report": "Draw the report of a run's folder again.",
    "study": "Run a grid of batch scales, rules and seeds from one YAML file, and draw it over the baseline.",
    "parabola": "Draw where the EMA rule ends on a noisy parabola, whose distributions are known exactly.",
    "spectra": "Compare the singular values of two models, such as a narrow one and a wide one of the width rule.",
    "average": "Average the weights of a run's checkpoints, or of models, into a folder that others take as a model.",
    "export": "Write a trained model to one folder: weights, tokens, features, a loader, and ONNX by option.",
    "transcribe": "Write down what is said in audio files: text, JSON with word times, or subtitles.",
    "align": "Find when each word of a known text is said: TextGrid, CTM or JSON.",
    "label": "Label a corpus with a trained model, shard by shard, on any number of machines.",
}
"""What each does, as its module says: none but the one that is asked for is imported."""

RESUMED = ("label", "recipe", "study", "train")
"""Verbs that, given once more, go on from where they were."""
USER_ERROR = 2
INTERRUPTED = 130
NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
WRONG_PLACE = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Both are wrong with a folder, a disk or a given path rather than with this program."""


def make_parser(asked: str | None) -> argparse.ArgumentParser:
    """With the arguments of the verb that is asked for; the others are named."""
    parser = argparse.ArgumentParser(prog="kappa-asr", description="Speech pseudo-labeling with an EMA teacher.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, summary in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary)
        if verb == asked:
            module = importlib.import_module(f"asr.cli.{verb}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    wait_briefly()
    given = sys.argv[1:] if argv is None else argv
    parser = make_parser(given[0] if given else None)
    arguments, left = parser.parse_known_args(given)
    # Of files, argparse takes those before the first option, or those after it.
    if left and (not hasattr(arguments, "audio") or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        arguments.audio += left
    try:
        code: int = arguments.run(arguments)
    except UserError as error:
        print(f"kappa-asr: error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        goes_on = "; the same command goes on from where it was" if given[:1] and given[0] in RESUMED else ""
        print(f"kappa-asr: interrupted{goes_on}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does.
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in (*NO_PLACE, *WRONG_PLACE):
            raise
        print(f"kappa-asr: error: {error.filename or 'writing'}: {error.strerror}", file=sys.stderr)
        return USER_ERROR
    return code
