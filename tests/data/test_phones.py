from __future__ import annotations

from pathlib import Path

import pytest

from asr.config import TokenConfig
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
from asr.errors import UserError

LEXICON = "THE DH AH0\nTHE DH IY0\nCAT K AE1 T\nSAT S AE1 T\nCATS K AE1 T S\nTHAT DH AE1 T\n"


def build(folder: Path, texts: list[str], boundary: bool = False, lexicon: str = LEXICON) -> str:
    (folder / "lexicon.txt").write_text(lexicon, encoding="utf-8")
    manifest = folder / "labeled.jsonl"
    write_manifest(manifest, [Utterance(f"u{i}", f"u{i}.flac", 1.0, text=t) for i, t in enumerate(texts)])
    config = TokenConfig(kind="phones", lexicon=str(folder / "lexicon.txt"), boundary=boundary)
    told = build_tokens(config, manifest, folder / "tokens")
    # From now on the folder of tokens is all there is.
    (folder / "lexicon.txt").unlink()
    return told


@pytest.mark.parametrize("boundary", [False, True])
def test_words_become_the_phones_that_are_said_first(tmp_path: Path, boundary: bool) -> None:
    build(tmp_path, ["THE CAT"], boundary)
    tokenizer = load_tokenizer(tmp_path / "tokens")
    symbols = tokenizer.symbols
    ids = tokenizer.encode("the cat")
    assert tokenizer.decode([0, *ids, 0]) == "DH AH K AE T"
    assert tokenizer.size == len(symbols) == 8 + boundary
    assert [symbols[i] for i in ids] == ["▁DH", "▁AH", *["▁"] * boundary, "▁K", "▁AE", "▁T"]
    assert 0 not in ids


def test_words_that_the_lexicon_lacks_are_counted_listed_and_stay_as_they_were_said(tmp_path: Path) -> None:
    told = build(tmp_path, ["THE CAT", "THE CAST SAT 42"])
    assert "1 words (16.7% of the text) are not in the lexicon" in told
    assert "labeled text: 1 words that no token writes and no model can learn: 42 × 1" in told
    listed = (tmp_path / "tokens" / "generated.txt").read_text()
    assert listed.startswith("CAST ")
    (tmp_path / "tokens" / "generated.txt").write_text("CAST K AE S T\n")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.decode(tokenizer.encode("cast 42 cat")) == "K AE S T K AE T"
    assert tokenizer.encode("ATE")


def test_a_lexicon_that_says_nothing_of_the_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can say no word of the labeled text, such as ПРИВЕТ"):
        build(tmp_path, ["ПРИВЕТ"])


def test_a_phone_with_the_sign_of_a_boundary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="▁A has it; rename it"):
        build(tmp_path, ["A"], lexicon="A ▁A\n")


def test_a_folder_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    build(tmp_path, ["THE CAT"])
    (tmp_path / "tokens" / "phones.txt").write_text("DH\n")
    with pytest.raises(UserError, match=r"phones\.txt lacks AE, AH"):
        load_tokenizer(tmp_path / "tokens").encode("A")


@pytest.mark.parametrize("name", ["phones.txt", "lexicon.txt.gz", "generated.txt"])
def test_a_folder_that_lacks_a_part_or_has_a_damaged_one_is_refused(name: str, tmp_path: Path) -> None:
    build(tmp_path, ["THE CAT"])
    whole = (tmp_path / "tokens" / name).read_bytes()
    for content in (whole[:20] + b"\xff\xfe\n", None):
        (tmp_path / "tokens" / name).unlink()
        if content is not None:
            (tmp_path / "tokens" / name).write_bytes(content)
        with pytest.raises(UserError, match=r"no token inventory|cannot read lexicon"):
            load_tokenizer(tmp_path / "tokens").encode("A")
