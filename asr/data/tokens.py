"""Text as token ids and back. Id 0 is CTC's blank.

Characters are the 26 letters, the apostrophe and `|` between words; word pieces are sentencepiece's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from asr.config import NormaliserName, TokenConfig
from asr.data.manifest import read_manifest
from asr.data.phones import build_phones, load_phones
from asr.errors import UserError
from asr.text.normaliser import DEFAULT, NORMALISERS

BLANK = 0
ALPHABET = "|'ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Tokenizer(Protocol):
    @property
    def size(self) -> int:
        """Number of ids, blank included."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


class CharTokenizer:
    """Characters outside the alphabet are dropped, after upper-casing; the tokens stage counts them."""

    size = len(ALPHABET) + 1

    def __init__(self) -> None:
        self._ids = {c: i for i, c in enumerate(ALPHABET, 1)}

    def encode(self, text: str) -> list[int]:
        spelled = ("".join(c for c in word if c in self._ids) for word in text.upper().replace("|", " ").split())
        return [self._ids[c] for c in "|".join(filter(None, spelled))]

    def decode(self, ids: Sequence[int]) -> str:
        text = "".join(ALPHABET[i - 1] for i in ids if i != BLANK)
        return " ".join(text.replace("|", " ").split())

    def unknown(self, text: str) -> list[str]:
        return [c for c in text.upper() if c not in self._ids and not c.isspace()]


class PieceTokenizer:
    """A sentencepiece model; its ids are moved up by one to make room for the blank."""

    def __init__(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model: Any = SentencePieceProcessor(model_file=str(path))

    @property
    def size(self) -> int:
        return int(self._model.get_piece_size()) + 1

    def encode(self, text: str) -> list[int]:
        return [i + 1 for i in self._model.encode(text.upper())]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._model.decode([i - 1 for i in ids if i != BLANK])
        return " ".join(text.split())


def _train_pieces(config: TokenConfig, texts: Sequence[str], out: Path) -> None:
    import sentencepiece

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(out / "pieces"),
            model_type=config.kind,
            vocab_size=config.size,
            character_coverage=1.0,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise UserError(f"tokens.size = {config.size}: sentencepiece cannot learn it ({error})") from None


def build_tokens(
    config: TokenConfig, labeled_manifest: Path, out_dir: Path, normaliser: NormaliserName = DEFAULT
) -> str:
    """Make the token inventory from labeled text only, into `out_dir`; returns what to tell the user.

    The normaliser that the text went through is kept with it, as other text for the recognizer goes through it too.

    Raises:
        UserError: there is no labeled text, or sentencepiece cannot learn so many pieces from it.
    """
    manifest = read_manifest(labeled_manifest)
    texts = [u.text for u in manifest if u.text]
    if not texts:
        raise UserError(f"{labeled_manifest}: no transcripts; tokens are made from labeled text")
    out_dir.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"kind": config.kind, "normaliser": normaliser}
    notes: list[str] = []
    if config.kind == "phones":
        about["boundary"] = config.boundary
        notes = build_phones(config, texts, out_dir)
    elif config.kind != "char":
        _train_pieces(config, [t.upper() for t in texts], out_dir)
    (out_dir / "tokens.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    tokenizer = load_tokenizer(out_dir)
    count = sum(len(tokenizer.encode(t)) for t in texts)
    lines = [f"{config.kind}: {tokenizer.size} tokens with the blank, {count / len(texts):.1f} per utterance", *notes]
    if isinstance(tokenizer, CharTokenizer):
        unknown = Counter(c for t in texts for c in tokenizer.unknown(t))
        if unknown:
            shown = ", ".join(f"{c!r} × {n}" for c, n in unknown.most_common(10))
            lines.append(f"{unknown.total()} characters outside the alphabet are left out: {shown}")
    return "\n".join(lines)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Raises UserError where `build_tokens` has not finished, or what it wrote cannot be read."""
    try:
        about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        kind = about["kind"]
        if kind == "phones":
            return load_phones(folder, bool(about["boundary"]))
        return CharTokenizer() if kind == "char" else PieceTokenizer(folder / "pieces.model")
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, UserError) as error:
        raise UserError(f"{folder}: no token inventory ({' '.join(str(error).split())}); run stage 2") from None


def read_normaliser(folder: Path) -> NormaliserName:
    """What the text that the tokens were made from went through; inventories of before this was kept: the usual one.

    Raises:
        UserError: there is no token inventory, or it names a normaliser that this program has not.
    """
    try:
        named = json.loads((folder / "tokens.json").read_text(encoding="utf-8")).get("normaliser", DEFAULT)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: no token inventory ({' '.join(str(error).split())}); run stage 2") from None
    if named not in NORMALISERS:
        raise UserError(f"{folder}: texts went through a normaliser {named!r}; known are {', '.join(NORMALISERS)}")
    known: NormaliserName = named
    return known
