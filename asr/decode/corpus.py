"""Texts that language models are made from, as people have them."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from asr.data.tokens import Tokenizer
from asr.decode.compressed import DAMAGE, open_compressed
from asr.errors import UserError
from asr.files_below import files_below
from asr.score.formats import OTHER_SUFFIXES, SUFFIXES, read_texts
from asr.score.transcripts import read_transcripts
from asr.text.normaliser import fold_accents

STDIN = "-"
SHOWN = 10
"""Words without spelling that are named."""


def _has_ids(path: Path) -> bool:
    """Whether a file's lines hold more than sentences: a transcript's, a manifest's, a table's, or Kaldi's `text`."""
    if path.name == "text" and any(path.with_name(other).exists() for other in ("utt2spk", "wav.scp", "segments")):
        return True
    return path.name.lower().removesuffix(".gz").endswith((*SUFFIXES, *OTHER_SUFFIXES))


def _lines(name: str, stdin: TextIO) -> Iterator[str]:
    path = Path(name)
    if name == STDIN:
        # As a file is read, whatever the locale makes of bytes that are no text.
        if isinstance(stdin, io.TextIOWrapper):
            stdin.reconfigure(encoding="utf-8", errors="strict")
        try:
            yield from stdin
        except UnicodeDecodeError as error:
            raise UserError(f"standard input: cannot read text ({error})") from None
    elif path.is_dir():
        if (path / "text").is_file():
            yield from (line.text for line in read_texts(path).lines)
            return
        transcripts = [file for file in files_below(path) if file.name.endswith((".trans.txt", ".trans.txt.gz"))]
        if not transcripts:
            raise UserError(f"{path}: no .trans.txt file in or below this folder, nor Kaldi's text; name files of text")
        for one in transcripts:
            yield from read_transcripts(one).values()
    elif _has_ids(path):
        texts = read_texts(path)
        if texts.form == "ctm":
            raise UserError(f"{path}: a .ctm has words and no sentences; name what it was made of")
        yield from (line.text for line in texts.lines)
    else:
        try:
            with open_compressed(path) as file:
                yield from io.TextIOWrapper(file, encoding="utf-8")
        except DAMAGE as error:
            raise UserError(f"{path}: cannot read text ({error})") from None


def _speller(tokenizer: Tokenizer) -> Callable[[str], str | None]:
    """A word as the recognizer writes it, None where it has no token for something in it.

    A recognizer that knows no accents writes é as E.
    """
    letters = "".join(tokenizer.decode([i]) for i in range(1, tokenizer.size))
    shapes: list[Callable[[str], str]] = [str, fold_accents] if fold_accents(letters) == letters else [str]

    def spell(word: str) -> str | None:
        for shaped in (shape(word) for shape in shapes):
            written = tokenizer.write(shaped)
            if written is not None:
                return written
        return None

    return spell


def read_sentences(
    names: Sequence[str],
    tokenizer: Tokenizer,
    normalise: Callable[[str], str],
    unknown: str,
    unspelled: Counter[str],
    stdin: TextIO | None = None,
) -> Iterator[str]:
    """Sentences, written as the recognizer writes them.

    Args:
        names: plain text (a sentence a line; also .gz, .xz), what `asr.score.formats` reads by its name, such as
            `.trans.txt`, `.jsonl`, `.tsv` and Kaldi's `text`, or a folder of such; or `-`.
        tokenizer: the recognizer's.
        normalise: what the recognizer's own texts went through.
        unknown: written for words that the recognizer has no tokens for.
        unspelled: gets these words, and how often each was met.
        stdin: what `-` stands for; None: standard input.

    Raises:
        UserError: a file cannot be read.
    """
    spell, known = _speller(tokenizer), dict[str, str | None]()
    for name in names:
        for line in _lines(name, stdin or sys.stdin):
            words: list[str] = []
            for word in normalise(line).split():
                if word not in known:
                    known[word] = spell(word)
                written = known[word]
                if written is None:
                    unspelled[word] += 1
                words.append(unknown if written is None else written)
            yield " ".join(filter(None, words))


def tell_unspelled(unspelled: Counter[str]) -> str:
    """A sentence on the words that `read_sentences` could not write."""
    shown = ", ".join(f"{word} × {count:,}" for word, count in unspelled.most_common(SHOWN))
    more = f" and {len(unspelled) - SHOWN:,} others" if len(unspelled) > SHOWN else ""
    return f"{unspelled.total():,} words hold what the recognizer has no token for, and are unknown ones: {shown}{more}"
