"""The command line: one verb per file, errors as one line, exit codes.

0: done. 1: an error rate is above the one allowed. 2: something for the user to put right. 75: stopped by a signal,
with a checkpoint; the same command goes on. 130: interrupted.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence

from asr.cli import (
    align,
    average,
    export,
    label,
    lm,
    manifest,
    parabola,
    plan,
    profile,
    recipe,
    report,
    score,
    spectra,
    study,
    train,
    transcribe,
    tune,
)
from asr.errors import UserError

VERBS = (
    recipe,
    plan,
    profile,
    train,
    manifest,
    lm,
    tune,
    score,
    report,
    study,
    parabola,
    spectra,
    average,
    export,
    transcribe,
    align,
    label,
)

USER_ERROR = 2
INTERRUPTED = 130
NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
WRONG_PLACE = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Both are wrong with a folder, a disk or a given path rather than with this program."""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kappa-asr", description="Speech pseudo-labeling with an EMA teacher.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        summary = (verb.__doc__ or "").partition("\n")[0]
        sub = verbs.add_parser(name, help=summary, description=summary)
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except UserError as error:
        print(f"kappa-asr: error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("kappa-asr: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
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
