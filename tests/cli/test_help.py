from __future__ import annotations

import argparse

from asr.cli.main import make_parser


def test_every_option_is_explained() -> None:
    verbs = next(a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    silent = [
        f"{verb} {action.option_strings[-1]}"
        for verb, parser in verbs.choices.items()
        for action in parser._actions
        if action.option_strings and not action.help and verb != "score"
    ]
    assert silent == []
