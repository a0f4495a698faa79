from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from asr.score.nearest import nearest_phones

PHONES = st.lists(st.sampled_from("ABC"), max_size=4)
WORDS = st.lists(st.lists(PHONES, min_size=1, max_size=3), max_size=4)


@given(WORDS, st.lists(st.sampled_from("ABCD"), max_size=9))
def test_no_other_way_to_say_the_words_is_nearer(words: list[list[list[str]]], heard: list[str]) -> None:
    all_ways = [[phone for way in ways for phone in way] for ways in itertools.product(*words)]
    found = nearest_phones(words, heard)
    assert found in all_ways
    assert Levenshtein.distance(found, heard) == min(Levenshtein.distance(ways, heard) for ways in all_ways)


@pytest.mark.parametrize(
    ("heard", "nearest"),
    [("DH IY K AE T", "DH IY K AE T"), ("DH AH K AE", "DH AH K AE T"), ("", "DH AH K AE T"), ("IY", "DH IY K AE T")],
)
def test_every_word_may_be_said_in_its_own_way(heard: str, nearest: str) -> None:
    words = [["DH AH".split(), "DH IY".split()], ["K AE T".split()]]
    assert nearest_phones(words, heard.split()) == nearest.split()


def test_of_equals_the_first_is_taken() -> None:
    assert nearest_phones([[["X"], ["Y"]], [["Z"]]], ["Z"]) == ["X", "Z"]
