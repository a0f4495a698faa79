"""Word and character error rates of hypotheses against references, both in .trans.txt form."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("references", type=Path)
    parser.add_argument("hypotheses", type=Path)
    parser.add_argument("--speakers", metavar="A,B", help="score only these")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.epilog = "The interval is a bootstrap over speakers; an utterance's speaker is its id up to the first '-'."


def run(arguments: argparse.Namespace) -> int:
    from asr.score.table import format_scores, score_texts
    from asr.score.transcripts import read_transcripts

    references, hypotheses = read_transcripts(arguments.references), read_transcripts(arguments.hypotheses)
    for missing, path in (
        (references.keys() - hypotheses.keys(), arguments.hypotheses),
        (hypotheses.keys() - references.keys(), arguments.references),
    ):
        if missing:
            raise UserError(f"{path}: {len(missing)} utterances are missing, among them {min(missing)!r}")
    if arguments.speakers:
        wanted = arguments.speakers.split(",")
        references = {name: text for name, text in references.items() if name.partition("-")[0] in wanted}
    if not references:
        raise UserError(f"{arguments.references}: no utterance to score")
    speakers = [name.partition("-")[0] for name in references]
    scores = score_texts(list(references.values()), [hypotheses[name] for name in references], speakers)
    row = {"subset": arguments.references.name.partition(".")[0], "model": "", **scores}
    print(json.dumps(scores, indent=1) if arguments.json else format_scores([row]))
    return 0
