from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_model import make_run

from asr.config import TokenConfig
from asr.data.characters import CharTokenizer
from asr.data.lexicon import Lexicon
from asr.data.phones import PhoneTokenizer
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.recognizer.alignment import align_words, texts_of
from asr.recognizer.audio import AudioFile
from asr.recognizer.spelling import say_words
from asr.text.normaliser import find_normaliser


def heard(path: list[int], tokens: int) -> torch.Tensor:
    """Log-probabilities of a model that is rather sure of a path."""
    one_hot = torch.nn.functional.one_hot(torch.tensor(path), tokens).float()
    return (one_hot * 5).log_softmax(-1)


def test_words_get_the_times_at_which_their_tokens_are_heard() -> None:
    tokenizer, symbols = CharTokenizer(), CharTokenizer().symbols
    s, e, b, a, y = (symbols.index(c) for c in "SEBAY")
    path = [0, 0, s, 0, e, e, 0, 1, 0, s, s, e, 0, e, 1, 0, b, a, 0, y, 0]
    found = align_words(heard(path, len(symbols)), "se «1» See, bay", tokenizer, 0.03, find_normaliser("upper"))
    words, left_out = found.words, found.left_out
    assert [w.text for w in words] == ["se", "See,", "bay"]
    assert [(w.start, w.end) for w in words] == [(0.06, 0.18), (0.27, 0.42), (0.48, 0.6)]
    assert all(w.confidence > 0.8 for w in words)
    assert left_out == ["«1»"]


def test_a_text_that_is_not_what_is_heard_is_aligned_with_low_confidence() -> None:
    symbols = CharTokenizer().symbols
    path = [0, symbols.index("A"), 0, 0, symbols.index("B"), 0]
    words = align_words(heard(path, len(symbols)), "OX", CharTokenizer(), 0.03).words
    assert [w.text for w in words] == ["OX"]
    assert words[0].confidence < 0.1


def test_word_pieces_are_aligned_too(tmp_path: Path) -> None:
    tokens = make_run(tmp_path, tokens=TokenConfig(kind="bpe", size=24)) / "tokens"
    tokenizer = load_tokenizer(tokens)
    symbols = tokenizer.symbols
    path, starts = [0, 0], []
    for word in ("SHE", "SELLS", "SHELLS"):
        starts.append(round(len(path) * 0.03, 3))
        for one in tokenizer.encode(word):
            path += [one, one, 0]
    words = align_words(heard(path, len(symbols)), "SHE SELLS SHELLS", tokenizer, 0.03).words
    assert [w.text for w in words] == ["SHE", "SELLS", "SHELLS"]
    assert [w.start for w in words] == starts


@pytest.mark.parametrize("boundary", [False, True])
@pytest.mark.parametrize("said", ["DH IY", "DH AH"])
def test_a_word_is_aligned_in_the_way_in_which_it_was_said(said: str, boundary: bool) -> None:
    lexicon = Lexicon({"THE": [("DH", "AH"), ("DH", "IY")], "CAT": [("K", "AE", "T")], "A": [("AH",), ("EY",)]})
    tokenizer = PhoneTokenizer(["AE", "AH", "DH", "EY", "IY", "K", "T"], lambda: lexicon, boundary, cased=False)
    path: list[int] = []
    for word in (said, "K AE T", said, "EY"):
        path += [0, *[1] * boundary, 0][2 * (not path) :]
        for phone in word.split():
            token = tokenizer.symbols.index(f"▁{phone}")
            path += [token, token, 0]
    for starred in (False, True):
        found = align_words(
            heard(path, tokenizer.size), "the cat, THE 7 a", tokenizer, 0.03, find_normaliser("upper"), starred
        )
        assert [word.text for word in found.words] == ["the", "cat,", "THE", "a"]
        assert all(word.confidence > 0.9 for word in found.words)
        assert (found.left_out, found.outside) == (["7"], [])


@pytest.mark.parametrize(("text", "frames"), [("SEA", 2), ("SHELLS", 6)])
def test_audio_too_short_for_its_text_is_a_user_error(text: str, frames: int) -> None:
    symbols = CharTokenizer().symbols
    with pytest.raises(UserError, match="the text needs"):
        align_words(heard([0] * frames, len(symbols)), text, CharTokenizer(), 0.03)


def test_a_text_without_a_word_is_a_user_error() -> None:
    symbols = CharTokenizer().symbols
    with pytest.raises(UserError, match="the text has no word that could be found"):
        align_words(heard([0], len(symbols)), " … ", CharTokenizer(), 0.03, find_normaliser("upper"))


def test_a_text_of_other_letters_is_a_user_error() -> None:
    symbols = CharTokenizer().symbols
    with pytest.raises(UserError, match="no word of the text can be written with the model's tokens: 日本"):
        align_words(heard([0], len(symbols)), "日本", CharTokenizer(), 0.03)


def test_every_file_needs_a_text(tmp_path: Path) -> None:
    files = [AudioFile(tmp_path / "a.wav", "a"), AudioFile(tmp_path / "x" / "b.wav", "x/b")]
    transcripts = tmp_path / "t.trans.txt"
    transcripts.write_text("b SHE SELLS\na SEA\n")
    told: list[str] = []
    assert texts_of(files, transcripts, told.append) == ["SEA", "SHE SELLS"]
    assert told == []
    assert texts_of(files[:1], transcripts, told.append) == ["SEA"]
    assert told == [f"{transcripts}: 1 transcripts of none of the files, such as 'b'"]
    alike = [*files, AudioFile(tmp_path / "y" / "b.wav", "y/b")]
    with pytest.raises(UserError, match=r"'b' may be .*x/b\.wav or .*y/b\.wav; align them one by one"):
        texts_of(alike, transcripts, told.append)
    transcripts.write_text("a SEA\n")
    with pytest.raises(UserError, match="no transcript of 'b'"):
        texts_of(files, transcripts, told.append)
    with pytest.raises(UserError, match="2 files and one text"):
        texts_of(files, "SEA", told.append)
    with pytest.raises(UserError, match="--text: has no word"):
        texts_of(files[:1], " ", told.append)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Well-known — ‘café’s’ <unk> don’t!", ["Well-known:WELL KNOWN", "‘café’s’:CAFÉ'S", "don’t!:DON'T"]),
        ("‘hello all’ R&D", ["HELLO:HELLO", "ALL:ALL", "R:R", "D:D"]),
        ("... --", []),
    ],
)
def test_words_are_said_as_the_model_s_texts_were_written_and_shown_as_people_wrote_them(
    text: str, words: list[str]
) -> None:
    found = say_words(text, find_normaliser("upper"))
    assert [f"{word.text}:{' '.join(word.said)}" for word in found] == words


def test_a_word_that_is_said_as_two_has_the_times_of_both() -> None:
    symbols = CharTokenizer().symbols
    path = [0, *(symbols.index(c) for c in "SEA"), 1, *(symbols.index(c) for c in "BAY"), 0, 0]
    found = align_words(heard(path, len(symbols)), "‘Sea-bay’ 5%", CharTokenizer(), 0.03, find_normaliser("upper"))
    assert [word.text for word in found.words] == ["‘Sea-bay’"]
    assert (found.words[0].start, found.words[0].end) == (0.03, 0.24)
    assert found.left_out == ["5%"]
