"""Texts that language models are made from, as people have them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from asr.data.manifest import read_manifest
from asr.data.tokens import Tokenizer
from asr.decode.compressed import DAMAGE, open_compressed
from asr.errors import UserError
from asr.score.transcripts import read_transcripts

STDIN = "-"


def _lines(name: str, stdin: TextIO) -> Iterator[str]:
    path = Path(name)
    if name == STDIN:
        yield from stdin
    elif path.is_dir():
        transcripts = sorted(path.rglob("*.trans.txt"))
        if not transcripts:
            raise UserError(f"{path}: no .trans.txt file in or below this folder; name files of text instead")
        for one in transcripts:
            yield from read_transcripts(one).values()
    elif path.suffix == ".jsonl":
        yield from (u.text or "" for u in read_manifest(path))
    elif name.endswith(".trans.txt"):
        yield from read_transcripts(path).values()
    else:
        try:
            with open_compressed(path) as file:
                yield from io.TextIOWrapper(file, encoding="utf-8")
        except DAMAGE as error:
            raise UserError(f"{path}: cannot read text ({error})") from None


def read_sentences(names: Sequence[str], tokenizer: Tokenizer, stdin: TextIO = sys.stdin) -> Iterator[str]:
    """Sentences, written as the recognizer writes them: in its case, without what it has no token for.

    Args:
        names: plain text (a sentence a line; also .gz, .xz), `.trans.txt` or a folder of them, a manifest (`.jsonl`),
            or `-`.
        tokenizer: the recognizer's.
        stdin: what `-` stands for.

    Raises:
        UserError: a file cannot be read.
    """
    for name in names:
        for line in _lines(name, stdin):
            yield tokenizer.decode(tokenizer.encode(line))
