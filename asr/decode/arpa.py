"""ARPA files: n-gram models as text, which KenLM, SRILM and their like read."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from asr.decode.ngram import SPECIAL, NgramModel
from asr.errors import UserError

NEVER = -99.0
"""Log-probability of what is only ever a context."""
NO_WORDS = frozenset((*SPECIAL, *(word.upper() for word in SPECIAL)))
"""The special words, also as programs that write in capitals have them: nobody says them."""


def write_arpa(path: Path, model: NgramModel) -> None:
    """Write a model aside and rename it. Logarithms are to base 10."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(table.word)}\n" for n, table in enumerate(model.tables, 1))
        spelled: list[str] = []
        for n, table in enumerate(model.tables, 1):
            last = [model.words[word] for word in table.word.tolist()]
            below = spelled
            spelled = last if n == 1 else [f"{below[c]} {w}" for c, w in zip(table.context.tolist(), last, strict=True)]
            with np.errstate(divide="ignore"):
                logs = np.maximum(np.log10(table.probability), NEVER)
            file.write(f"\n\\{n}-grams:\n")
            if n == len(model.tables):
                file.writelines(f"{p:.7g}\t{s}\n" for p, s in zip(logs.tolist(), spelled, strict=True))
            else:
                backoffs = np.log10(table.backoff)
                rows = zip(logs.tolist(), spelled, backoffs.tolist(), strict=True)
                file.writelines(f"{p:.7g}\t{s}\t{b:.7g}\n" for p, s, b in rows)
        file.write("\n\\end\\\n")
    aside.replace(path)


def is_arpa(path: Path) -> bool:
    """Whether a file is an ARPA file, compressed or not, rather than a binary."""
    return _first_bytes(path).lstrip().startswith(b"\\data\\")


def _first_bytes(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise UserError(f"{path}: cannot read language model ({error})") from None


def read_words(path: Path) -> list[str]:
    """The words of an ARPA file without the special ones.

    Raises:
        UserError: it cannot be read, or has no words.
    """
    words: list[str] = []
    inside = False
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("\\"):
                    if inside:
                        break
                    inside = line.strip() == "\\1-grams:"
                elif inside and line.strip():
                    words.append(line.split()[1])
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise UserError(f"{path}: cannot read the words of this language model ({error})") from None
    if not set(words) - NO_WORDS:
        raise UserError(f"{path}: no words in this language model; is it an ARPA file?")
    return [word for word in words if word not in NO_WORDS]
