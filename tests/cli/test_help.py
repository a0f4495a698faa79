from __future__ import annotations

import argparse

from asr.cli.main import VERBS, make_parser


def test_every_option_is_explained() -> None:
    silent: list[str] = []
    for verb in VERBS:
        verbs = next(a for a in make_parser(verb)._actions if isinstance(a, argparse._SubParsersAction))
        silent += [
            f"{verb} {action.option_strings[-1]}"
            for action in verbs.choices[verb]._actions
            if action.option_strings and not action.help and verb != "score"
        ]
    assert silent == []
