"""Text as token ids and back. Id 0 is CTC's blank.

A folder of tokens holds `tokens.json`: what kind they are, what the text went through that they were made from, and the
inventory of characters; word pieces and phones have files of their own beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from asr.config import NormaliserName, TokenConfig
from asr.data.characters import ALPHABET, CharTokenizer, choose_inventory
from asr.data.manifest import read_manifest
from asr.data.phones import build_phones, load_phones
from asr.data.pieces import PieceTokenizer, train_pieces
from asr.errors import UserError
from asr.text.normaliser import DEFAULT, NORMALISERS

BLANK = 0
ABOUT = "tokens.json"
FILES = (ABOUT, "pieces.model", "phones.txt", "lexicon.txt.gz", "generated.txt")
"""What a folder of tokens may hold that is needed to use them."""
SHOWN = 10


class Tokenizer(Protocol):
    @property
    def size(self) -> int:
        """Number of ids, blank included."""

    @property
    def symbols(self) -> list[str]:
        """What each id writes; `asr.data.symbols.BOUNDARY` stands where a word begins, or by itself between words."""

    @property
    def boundary(self) -> int | None:
        """The id that stands between words, where there is one."""

    @property
    def writes_words(self) -> bool:
        """Whether decoded ids are words; phones are not, and words come from them through a lexicon."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def unknown(self, text: str) -> list[str]:
        """What `encode` leaves out: characters, or words that cannot be said."""

    def write(self, word: str) -> str | None:
        """The word as it is written once it has been recognised; None where that takes a token that there is not."""

    def spell(self, words: Sequence[str]) -> list[list[list[int]]]:
        """For each word the ids of every way to spell or say it, likeliest first; none where `write` gives None."""


def build_tokens(
    config: TokenConfig,
    labeled_manifest: Path,
    out_dir: Path,
    normaliser: NormaliserName = DEFAULT,
    others: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Make the token inventory from labeled text only, into `out_dir`; returns what to tell the user.

    Args:
        config: kind and size.
        labeled_manifest: holds the text.
        out_dir: the folder of tokens.
        normaliser: what the text went through; it is kept with it, as other text for the recognizer goes through it.
        others: texts by name that hypotheses will be held against. They add nothing to the inventory: what it cannot
            write of them is told, and rules say their words now and not again in every process.

    Raises:
        UserError: there is no labeled text, sentencepiece cannot learn so many pieces from it, or the lexicon of
            phones cannot be read or says nothing of it.
    """
    texts = [u.text for u in read_manifest(labeled_manifest) if u.text]
    if not texts:
        raise UserError(f"{labeled_manifest}: no transcripts; tokens are made from labeled text")
    out_dir.mkdir(parents=True, exist_ok=True)
    cased = any(text != text.upper() for text in texts)
    about: dict[str, Any] = {"kind": config.kind, "normaliser": normaliser, "cased": cased}
    notes: list[str] = []
    if config.kind == "phones":
        about["boundary"] = config.boundary
        notes = build_phones(config, texts, out_dir, [text for own in (others or {}).values() for text in own])
    elif config.kind == "char":
        about["characters"] = choose_inventory(texts)
    else:
        train_pieces(config, texts, out_dir)
    (out_dir / ABOUT).write_text(json.dumps(about, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer = load_tokenizer(out_dir)
    count = sum(len(tokenizer.encode(t)) for t in texts)
    lines = [f"{config.kind}: {tokenizer.size} tokens with the blank, {count / len(texts):.1f} per utterance", *notes]
    for name, own in {"labeled text": texts, **(others or {})}.items():
        unknown = Counter(part for text in own for part in tokenizer.unknown(text))
        if unknown:
            kind = "characters" if tokenizer.writes_words else "words"
            shown = ", ".join(f"{part} × {n}" for part, n in unknown.most_common(SHOWN)) + " …" * (len(unknown) > SHOWN)
            lines.append(f"{name}: {unknown.total():,} {kind} that no token writes and no model can learn: {shown}")
    return "\n".join(lines)


def _read_about(folder: Path) -> dict[str, Any]:
    """Raises UserError where `build_tokens` has not finished."""
    try:
        return dict(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _absent(folder, error) from None


def _absent(folder: Path, error: Exception) -> UserError:
    return UserError(f"{folder}: no token inventory ({' '.join(str(error).split())}); run stage 2")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Raises UserError where `build_tokens` has not finished, or what it wrote cannot be read."""
    about = _read_about(folder)
    try:
        cased = bool(about.get("cased", False))
        if about["kind"] == "phones":
            return load_phones(folder, bool(about["boundary"]), cased)
        if about["kind"] == "char":
            # Older runs kept none.
            return CharTokenizer(about.get("characters", ALPHABET))
        return PieceTokenizer(folder / "pieces.model", cased)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, UserError) as error:
        raise _absent(folder, error) from None


def read_normaliser(folder: Path) -> NormaliserName:
    """What the text that the tokens were made from went through; inventories of before this was kept: the usual one.

    Raises:
        UserError: there is no token inventory, or it names a normaliser that this program has not.
    """
    named = _read_about(folder).get("normaliser", DEFAULT)
    if named not in NORMALISERS:
        raise UserError(f"{folder}: texts went through a normaliser {named!r}; known are {', '.join(NORMALISERS)}")
    known: NormaliserName = named
    return known
