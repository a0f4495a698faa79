from __future__ import annotations

from pathlib import Path

import pytest

from asr.config import TokenConfig
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import CharTokenizer, build_tokens, load_tokenizer
from asr.errors import UserError


def manifest(folder: Path, texts: list[str | None]) -> Path:
    path = folder / "labeled.jsonl"
    write_manifest(path, [Utterance(f"u{i}", f"u{i}.flac", 1.0, text=t) for i, t in enumerate(texts)])
    return path


def test_characters_come_back_as_they_went_in() -> None:
    tokenizer = CharTokenizer()
    ids = tokenizer.encode("it's a  TEST")
    assert tokenizer.decode(ids) == "IT'S A TEST"
    assert 0 not in ids
    assert max(tokenizer.encode("Z")) == tokenizer.size - 1 == 28


def test_boundaries_at_the_edges_and_in_a_row_mean_nothing() -> None:
    tokenizer = CharTokenizer()
    a = tokenizer.encode("A")
    assert tokenizer.decode([1, *a, 1, 1, *a, 1]) == "A A"


def test_a_word_of_unknown_characters_leaves_no_boundary_behind(tmp_path: Path) -> None:
    assert CharTokenizer().encode("A 42 B") == CharTokenizer().encode("A B")
    told = build_tokens(TokenConfig(), manifest(tmp_path, ["A 42 B"]), tmp_path / "tokens")
    assert "2 characters outside the alphabet" in told


def test_word_pieces_come_back_as_they_went_in(tmp_path: Path) -> None:
    texts: list[str | None] = ["THE OLD FARMER WALKS", "A FARMER TALKS", "THE WALK IS OLD"] * 4
    build_tokens(TokenConfig(kind="bpe", size=30), manifest(tmp_path, texts), tmp_path / "tokens")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.size == 31
    ids = tokenizer.encode("the old farmer")
    assert min(ids) > 0
    assert tokenizer.decode(ids) == "THE OLD FARMER"


def test_more_pieces_than_the_text_has_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokens.size = 5000"):
        build_tokens(TokenConfig(kind="unigram", size=5000), manifest(tmp_path, ["A B", "B A"]), tmp_path / "tokens")


def test_no_transcript_and_no_tokens_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no transcripts"):
        build_tokens(TokenConfig(), manifest(tmp_path, [None]), tmp_path / "tokens")
    with pytest.raises(UserError, match="run stage 2"):
        load_tokenizer(tmp_path / "nowhere")
