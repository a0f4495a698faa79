from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from asr.config import TokenConfig
from asr.data.characters import ALPHABET, CharTokenizer
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
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


def test_a_word_of_unknown_characters_leaves_no_boundary_behind() -> None:
    assert CharTokenizer().encode("A 42 B") == CharTokenizer().encode("A B")
    assert CharTokenizer().unknown("A 42 B") == ["4", "2"]


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


SCRIPTS = {
    "Hindi": "हिन्दी में क्षेत्र ज़रूरी है",
    "Vietnamese": "TIẾNG VIỆT CÓ DẤU",
    "Arabic": "اَلْعَرَبِيَّةُ لُغَةٌ",
    "Chinese": "今天天气很好",
    "German": "DIE STRASSE ÜBER MÜNCHEN",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_any_script_comes_back_as_it_went_in_with_its_signs_in_its_words(text: str, tmp_path: Path) -> None:
    told = build_tokens(TokenConfig(), manifest(tmp_path, [text]), tmp_path / "tokens")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert "no token writes" not in told
    assert tokenizer.decode(tokenizer.encode(text)) == text
    decomposed = unicodedata.normalize("NFD", text)
    assert tokenizer.encode(decomposed) == tokenizer.encode(text)
    assert tokenizer.encode(text).count(tokenizer.boundary or 0) == text.count(" ")
    assert [tokenizer.write(word) for word in text.split()] == text.split()


@pytest.mark.parametrize("texts", [["A"], ["DON'T", "THE QUICK BROWN FOX"]])
def test_english_keeps_the_ids_that_it_always_had(texts: list[str], tmp_path: Path) -> None:
    build_tokens(TokenConfig(), manifest(tmp_path, [*texts]), tmp_path / "tokens")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.symbols == ["<blank>", "▁", *"'ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    assert tokenizer.encode("Z'A B") == [28, 2, 3, 1, 4]


def test_a_folder_without_an_inventory_is_read_as_english(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"kind": "char"}')
    assert load_tokenizer(tmp_path).encode(ALPHABET[1:]) == [*range(2, 29)]


def test_case_is_kept_where_the_text_has_it_and_taken_as_the_text_has_it_elsewhere(tmp_path: Path) -> None:
    build_tokens(TokenConfig(), manifest(tmp_path, ["Straße Nach Ulm", "Ach"]), tmp_path / "tokens")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.decode(tokenizer.encode("Nach Straße")) == "Nach Straße"
    assert tokenizer.decode(tokenizer.encode("LUS")) == "lUS"
    texts: list[str | None] = ["Der Alte Bauer", "Ein Bauer Redet"] * 4
    build_tokens(TokenConfig(kind="unigram", size=19), manifest(tmp_path, texts), tmp_path / "pieces")
    pieces = load_tokenizer(tmp_path / "pieces")
    assert pieces.decode(pieces.encode("Der Bauer")) == "Der Bauer"


@pytest.mark.parametrize("kind", ["char", "unigram"])
def test_what_other_texts_have_that_no_token_writes_is_counted_and_told(kind: str, tmp_path: Path) -> None:
    config = TokenConfig(kind=kind, size=16)  # type: ignore[arg-type]
    others = {"dev": ["OLD É", "ÉÜ"], "other": ["THE OLD FARMER"]}
    labeled = manifest(tmp_path, ["THE OLD FARMER WALKS"] * 4)
    told = build_tokens(config, labeled, tmp_path / "tokens", others=others)
    assert told.splitlines()[1:] == ["dev: 3 characters that no token writes and no model can learn: É × 2, Ü × 1"]
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.write("OLD") == "OLD"
    assert tokenizer.write("OLÉ") is None
    assert tokenizer.spell(["OLD", "OLÉ"]) == [[tokenizer.encode("OLD")], []]


@pytest.mark.parametrize("characters", ["ABC", "|AA", ""])
def test_an_inventory_that_is_none_is_refused(characters: str, tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text(json.dumps({"kind": "char", "characters": characters}))
    with pytest.raises(UserError, match="no inventory of characters"):
        load_tokenizer(tmp_path)


def test_pieces_keep_the_joiners_of_words(tmp_path: Path) -> None:
    word = "\u0645\u06cc\u200c\u0634\u0648\u062f"
    rows = [json.dumps({"audio_filepath": f"{n}", "duration": 1, "text": f"{word} {word}"}) for n in range(20)]
    (tmp_path / "labeled.jsonl").write_text("\n".join(rows) + "\n")
    build_tokens(TokenConfig(kind="bpe", size=12), tmp_path / "labeled.jsonl", tmp_path / "tokens")
    tokenizer = load_tokenizer(tmp_path / "tokens")
    assert tokenizer.decode(tokenizer.encode(f"{word} {word}")) == f"{word} {word}"
