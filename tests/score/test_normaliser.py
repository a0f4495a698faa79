import sys

import pytest

from asr.errors import UserError
from asr.score.normaliser import NORMALISERS, find_normaliser


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MISTER QUILTER'S MANNER", "MISTER QUILTER'S MANNER"),
        ("Mister Quilter’s, manner!", "MISTER QUILTER'S MANNER"),
        ("the well-known “résumé”—1,000 dogs' 'tis", "THE WELL KNOWN RESUME 1 000 DOGS' 'TIS"),
        ("a ' b  '' c_d", "A B C D"),
        ("", ""),
    ],
)
def test_librispeech_texts_are_upper_case_without_punctuation(text: str, expected: str) -> None:
    normalise = find_normaliser("librispeech")
    assert normalise(text) == expected
    assert normalise(expected) == expected


def test_none_and_lowercase_do_what_they_say() -> None:
    assert find_normaliser("none")("A, b") == "A, b"
    assert find_normaliser("lowercase")("A, É") == "a, é"


def test_whisper_writes_numbers_and_spelling_alike() -> None:
    pytest.importorskip("whisper_normalizer")
    assert find_normaliser("whisper-english")("It's twenty-one colours, uh") == "it is 21 colors"


def test_without_whispers_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(UserError, match=r"pip install 'kappa-asr\[whisper\]'"):
        find_normaliser("whisper-english")
    assert "whisper-english" in NORMALISERS
