"""ARPA files: n-gram models as text, which KenLM, SRILM and their like read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.decode.compressed import DAMAGE, open_compressed
from asr.decode.ngram import NgramModel
from asr.decode.ngram_counts import SPECIAL
from asr.errors import UserError
from asr.whole_file import whole_file

NEVER = -99.0
"""Log-probability of what is only ever a context."""
NO_WORDS = frozenset((*SPECIAL, *(word.upper() for word in SPECIAL)))
"""The special words, also as programs that write in capitals have them: nobody says them."""
DECIMALS = 4
"""Of logarithms, usually: they are then right to a ten-thousandth of the probability."""
ROWS = 1 << 16
"""N-grams that are spelled at a time."""


def _lines(model: NgramModel, order: int, decimals: int) -> Iterator[str]:
    """The section of one order. A backoff of 1 is not written: it is what a reader takes where there is none."""
    words = np.array(model.words, dtype=object)
    table = model.tables[order - 1]
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log10(table.probability), NEVER)
    backoffs = np.log10(table.backoff)
    for start in range(0, len(logs), ROWS):
        part = slice(start, start + ROWS)
        columns = [table.word[part]]
        row = table.context[part]
        for below in model.tables[order - 2 :: -1] if order > 1 else ():
            columns.insert(0, below.word[row])
            row = below.context[row]
        spelled = map(" ".join, zip(*(words[column].tolist() for column in columns), strict=True))
        for log, ngram, backoff in zip(logs[part].tolist(), spelled, backoffs[part].tolist(), strict=True):
            end = f"\t{backoff:.{decimals}f}\n" if backoff else "\n"
            yield f"{log:.{decimals}f}\t{ngram}{end}"


def write_arpa(path: Path, model: NgramModel, decimals: int = DECIMALS) -> None:
    """Write a model, compressed where the name ends with .gz. Logarithms are to base 10.

    Raises:
        UserError: it cannot be written there.
    """
    with whole_file(path) as raw:
        # Without name and time: equal models are equal files.
        packed = gzip.GzipFile("", "wb", 9, raw, 0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file:
            file.write("\\data\\\n")
            file.writelines(f"ngram {n}={len(table.word)}\n" for n, table in enumerate(model.tables, 1))
            for n in range(1, len(model.tables) + 1):
                file.write(f"\n\\{n}-grams:\n")
                file.writelines(_lines(model, n, decimals))
            file.write("\n\\end\\\n")


def is_arpa(path: Path) -> bool:
    """Whether a file is an ARPA file, compressed or not, rather than a binary."""
    return _first_bytes(path).lstrip().startswith(b"\\data\\")


def _first_bytes(path: Path) -> bytes:
    try:
        with open_compressed(path) as file:
            return file.read(64)
    except DAMAGE as error:
        raise UserError(f"{path}: cannot read language model ({error})") from None


def read_words(path: Path) -> list[str]:
    """The words of an ARPA file without the special ones.

    Raises:
        UserError: it cannot be read, or has no words.
    """
    words: list[str] = []
    inside = False
    try:
        with open_compressed(path) as file:
            for line in io.TextIOWrapper(file, encoding="utf-8"):
                if line.startswith("\\"):
                    if inside:
                        break
                    inside = line.strip() == "\\1-grams:"
                elif inside and line.strip():
                    words.append(line.split()[1])
    except (*DAMAGE, IndexError) as error:
        raise UserError(f"{path}: cannot read the words of this language model ({error})") from None
    if not set(words) - NO_WORDS:
        raise UserError(f"{path}: no words in this language model; is it an ARPA file?")
    return [word for word in words if word not in NO_WORDS]
