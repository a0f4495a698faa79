"""Word and character error rates of any recognizer's hypotheses, and comparisons of several."""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import UserError, check_output
from asr.path_argument import path
from asr.score.formats import FORMATS
from asr.score.lines import FIELDS, HYPOTHESIS_TEXT, Fields
from asr.text.normaliser import NORMALISERS

if TYPE_CHECKING:
    from asr.score.files import Options, TextFile

ABOVE_THRESHOLD = 1
READABLE = (None, "none", "lowercase")
"""Normalisers that leave sclite's marks in words."""
SCLITE = {
    "words": "parted by ASCII white space, others belong to them; A to Z are a to z, in words and in ids",
    "marks": "in trn, stm and ctm a \\, ;… and a * at the end of a word are left out; @ is nothing",
    "costs": "4 for a substitution, 3 for a deletion or an insertion",
    "otherwise": "on purpose: references without a hypothesis, two utterances of one id, braces without a partner and",
    "": "empty alternatives are errors; a last line without a line end is scored; STM and CTM come in any order",
}
NO_HYPOTHESIS = "a reference has no hypothesis: stop, score it as if nothing was heard, or leave it out of all"


def _epilog() -> str:
    parts = [
        ("formats", FORMATS.items()),
        ("normalisers", NORMALISERS.items()),
        ("alignment sclite", SCLITE.items()),
        ("speakers", [("", "from the file, or the id up to its first '-' (trn: also '_')")]),
        ("exit code", [("0", "scored"), ("1", "--fail-above is passed"), ("2", "something to put right")]),
    ]
    lines: list[str] = []
    for title, entries in parts:
        lines += ["", f"{title}:", *(f"  {name:<16} {text}".rstrip() for name, text in entries)]
    return "\n".join(lines[1:])


def _add_input_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input")
    group.add_argument("--ref-format", choices=list(FORMATS), help="default: from the name, else the first line")
    group.add_argument("--hyp-format", choices=list(FORMATS), help="of all hypotheses; default: likewise")
    group.add_argument("--id-field", metavar="NAME", help="field or column of the id; a number if without header")
    group.add_argument("--text-field", metavar="NAME", help="of the text")
    group.add_argument("--hyp-id-field", metavar="NAME", help="of a hypothesis' id, if another")
    group.add_argument("--hyp-text-field", metavar="NAME", help="of a hypothesis' text, if another")
    group.add_argument("--speaker-field", metavar="NAME", help="of the reference's speaker, for the intervals")
    group.add_argument("--subset-field", metavar="NAME", help="of the reference's subset, scored also by itself")
    group.add_argument("--id-stem", action="store_true", help="ids are paths: drop folders and suffixes")
    group.add_argument("--speaker-pattern", metavar="REGEX", help="finds the speaker in an id: group 1, or all of it")
    group.add_argument("--subset-pattern", metavar="REGEX", help="finds the subset in an id")
    group.add_argument("--missing", choices=("error", "empty", "skip"), default="error", help=NO_HYPOTHESIS)
    group.add_argument(
        "--extra",
        choices=("error", "skip"),
        default="error",
        help="a hypothesis has no reference: stop, or leave it out",
    )
    group.add_argument(
        "--duplicates",
        choices=("error", "first", "last"),
        default="error",
        help="a file has an id twice: stop, or take one of its lines",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _epilog()
    parser.add_argument("reference", type=path, metavar="REF", help="what was said: a file or folder")
    parser.add_argument(
        "hypotheses", type=path, nargs="+", metavar="HYP", help="what a recognizer heard; several are compared"
    )
    parser.add_argument("--names", metavar="A,B", help="of the hypotheses; default: their files'")
    parser.add_argument("--speakers", metavar="A,B", help="score only these")
    _add_input_arguments(parser)
    group = parser.add_argument_group("scoring")
    group.add_argument(
        "--normaliser",
        "--normalizer",
        choices=list(NORMALISERS),
        help="default: upper for LibriSpeech's form, else none",
    )
    group.add_argument(
        "--alignment",
        choices=("levenshtein", "sclite"),
        default="levenshtein",
        help="fewest errors, as jiwer counts; or as NIST's sclite does, see below (default: levenshtein)",
    )
    group.add_argument("--fragments", "-F", action="store_true", help="sclite's -F: fr- is right for from, -om too")
    group.add_argument("--optional", "-D", action="store_true", help="sclite's -D: (uh) is right, said or not")
    group.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    group.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (default: 1000)")
    group.add_argument("--fail-above", type=float, metavar="WER", help="exit code 1 if any WER is above, in per cent")
    group = parser.add_argument_group("output")
    group.add_argument("--worst", type=int, default=3, metavar="N", help="utterances shown aligned (default: 3)")
    group.add_argument("--confusions", type=int, default=10, metavar="N", help="shown of each kind (default: 10)")
    group.add_argument("--worst-speakers", type=int, default=10, metavar="N", help="speakers shown (default: 10)")
    group.add_argument(
        "--colour",
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="of errors in aligned words; auto: on a terminal, unless NO_COLOR is set",
    )
    group.add_argument("--json", action="store_true", help="print JSON instead, with all speakers")
    group.add_argument("--utterances", action="store_true", help="with --json: also the counts of each utterance")
    group.add_argument("--html", type=path, metavar="FILE", help="write a page with every utterance, aligned")


def _files(arguments: argparse.Namespace) -> tuple[TextFile, list[TextFile]]:
    """The files, with their names and formats."""
    from asr.score.files import TextFile
    from asr.score.labels import name_files

    def named(option: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
        return default if option is None else (option,)

    fields = Fields(
        named(arguments.id_field, FIELDS.id),
        named(arguments.text_field, FIELDS.text),
        named(arguments.speaker_field, FIELDS.speaker),
        named(arguments.subset_field, FIELDS.subset),
    )
    heard_id = named(arguments.hyp_id_field, fields.id)
    heard_text = named(arguments.hyp_text_field or arguments.text_field, HYPOTHESIS_TEXT)
    heard = Fields(heard_id, heard_text, fields.speaker, fields.subset, recogs="hyp")
    paths: list[Path] = arguments.hypotheses
    names = name_files(paths)
    if arguments.names is not None:
        names = arguments.names.split(",")
    if len(names) != len(paths) or len(set(names)) < len(names) or not all(names):
        raise UserError(f"{len(paths)} hypotheses named {', '.join(names)}; give each its own name with --names A,B")
    reference = TextFile(arguments.reference, str(arguments.reference), arguments.ref_format, fields)
    hypotheses = [
        TextFile(path, name, arguments.hyp_format, heard, "--hyp-") for path, name in zip(paths, names, strict=True)
    ]
    return reference, hypotheses


def _options(arguments: argparse.Namespace) -> Options:
    from asr.score.files import Options
    from asr.score.matching import Policy
    from asr.score.sclite import Leniency
    from asr.score.speakers import Speakers
    from asr.score.texts import Method

    for name, least in (("resamples", 1), ("seed", 0), ("worst", 0), ("confusions", 0), ("worst_speakers", 0)):
        if getattr(arguments, name) < least:
            raise UserError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: must be at least {least}")
    if arguments.fail_above is not None and not 0 <= arguments.fail_above < math.inf:
        raise UserError(f"--fail-above {arguments.fail_above}: give a WER in per cent, such as 5.0")
    for name in ("fragments", "optional"):
        if getattr(arguments, name) and (arguments.alignment != "sclite" or arguments.normaliser not in READABLE):
            raise UserError(
                f"--{name}: needs --alignment sclite, and a --normaliser that leaves hyphens and parentheses: "
                f"{' or '.join(filter(None, READABLE))}"
            )
    return Options(
        normaliser=arguments.normaliser,
        method=Method(arguments.alignment, Leniency(arguments.fragments, arguments.optional)),
        policy=Policy(arguments.missing, arguments.extra, arguments.duplicates),
        id_stem=arguments.id_stem,
        speakers=Speakers(
            arguments.speaker_pattern,
            arguments.subset_pattern,
            frozenset(arguments.speakers.split(",")) if arguments.speakers else None,
        ),
        seed=arguments.seed,
        resamples=arguments.resamples,
    )


def _use_colour(choice: str) -> bool:
    return choice == "always" or (choice == "auto" and sys.stdout.isatty() and "NO_COLOR" not in os.environ)


def run(arguments: argparse.Namespace) -> int:
    from asr.score.files import score_files
    from asr.score.summary import count_utterances, summarise_scoring
    from asr.score.terminal import format_scoring

    if arguments.utterances and not arguments.json:
        raise UserError("--utterances: is part of the JSON; add --json")
    if arguments.html is not None:
        check_output([arguments.html], [arguments.reference, *arguments.hypotheses])
    # Nothing of it goes round in circles, and the collector would walk through a million words again and again.
    gc.disable()
    try:
        scoring = score_files(*_files(arguments), _options(arguments))
        summary = summarise_scoring(scoring)
    finally:
        gc.enable()
    for warning in summary["warnings"]:
        print(f"kappa-asr: warning: {warning}", file=sys.stderr)
    if arguments.json:
        if arguments.utterances:
            summary["utterances"] = count_utterances(scoring)
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        most = {
            "speakers": arguments.worst_speakers,
            "confusions": arguments.confusions,
            "worst": arguments.worst,
        }
        width = shutil.get_terminal_size().columns
        print(format_scoring(scoring, summary, most, width, _use_colour(arguments.colour)))
    if arguments.html is not None:
        from asr.report.score_page import write_score_page

        write_score_page(scoring, summary, arguments.html)
        print(arguments.html, file=sys.stderr)
    above = [
        s for s in summary["systems"] if arguments.fail_above is not None and 100 * s["wer"] > arguments.fail_above
    ]
    for system in above:
        found = f"{system['name']}: WER {100 * system['wer']:.2f} % is above {arguments.fail_above:g} %"
        print(f"kappa-asr: {found}", file=sys.stderr)
    return ABOVE_THRESHOLD if above else 0
