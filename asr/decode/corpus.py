"""Texts that language models are made from, as people have them."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from asr.data.manifest import read_manifest
from asr.data.tokens import Tokenizer
from asr.errors import UserError
from asr.score.transcripts import read_transcripts

STDIN = "-"


def _lines(name: str, stdin: TextIO) -> Iterator[str]:
    path = Path(name)
    if name == STDIN:
        yield from stdin
    elif path.suffix == ".jsonl":
        yield from (u.text or "" for u in read_manifest(path))
    elif name.endswith(".trans.txt"):
        yield from read_transcripts(path).values()
    else:
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                yield from io.TextIOWrapper(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, EOFError) as error:
            raise UserError(f"{path}: cannot read text ({error})") from None


def read_sentences(names: Sequence[str], tokenizer: Tokenizer, stdin: TextIO = sys.stdin) -> Iterator[str]:
    """Sentences, written as the recognizer writes them: in its case, without what it has no token for.

    Args:
        names: plain text (a sentence a line, gzipped or not), `.trans.txt`, a manifest (`.jsonl`), or `-`.
        tokenizer: the recognizer's.
        stdin: what `-` stands for.

    Raises:
        UserError: a file cannot be read.
    """
    for name in names:
        for line in _lines(name, stdin):
            yield tokenizer.decode(tokenizer.encode(line))
