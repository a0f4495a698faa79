from __future__ import annotations

import pytest

from asr.data.characters import CharTokenizer
from asr.data.lexicon import Lexicon
from asr.data.phones import PhoneTokenizer
from asr.decode.measure import Measure

LEXICON = Lexicon({"THE": [("DH", "AH"), ("DH", "IY")], "CAT": [("K", "AE", "T")]})
PHONES = PhoneTokenizer(["AE", "AH", "DH", "IY", "K", "T"], lambda: LEXICON, boundary=False, cased=False)
SAID, HEARD = ["THE CAT", "THE 42 CAT"], ["DH IY K AE T", "DH AH K T"]


def test_phones_are_held_against_the_nearest_way_to_say_each_word() -> None:
    measure = Measure(PHONES)
    assert measure.rate == "per"
    assert measure.references(SAID, HEARD) == ["DH IY K AE T", "DH AH K AE T"]
    assert measure.rates(SAID, HEARD) == {"per": pytest.approx(1 / 10)}


def test_scores_of_phones_say_that_they_are_of_phones() -> None:
    scores = Measure(PHONES).score(SAID, HEARD, ["a", "b"])
    assert scores["per"] == pytest.approx(0.1)
    assert scores["phones"] == 10
    assert scores["deletions"] == 1
    assert not {"wer", "wer_low", "wer_high", "words", "cer"} & scores.keys()


@pytest.mark.parametrize("measure", [Measure(CharTokenizer()), Measure(PHONES, by_lexicon=True)])
def test_words_are_held_against_words(measure: Measure) -> None:
    assert measure.rates(["THE CAT"], ["A CAT"]) == {"wer": 0.5, "cer": pytest.approx(3 / 7)}
    assert measure.score(["THE CAT"], ["A CAT"], ["a"])["wer"] == 0.5
