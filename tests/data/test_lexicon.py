from __future__ import annotations

from asr.data.lexicon import Lexicon


def test_words_are_found_whatever_stands_around_them() -> None:
    lexicon = Lexicon({"DON'T": [("D", "OW", "N", "T")], "CAFE": [("K", "AE", "F", "EY")], "'TIS": [("T", "IH", "Z")]})
    assert lexicon.say("don’t,") == [("D", "OW", "N", "T")]
    assert lexicon.say("'Café'") == lexicon.say("cafe\u0301") == [("K", "AE", "F", "EY")]
    assert lexicon.say("'tis") == [("T", "IH", "Z")]
    assert lexicon.say("café-don't") == [("K", "AE", "F", "EY", "D", "OW", "N", "T")]
    assert not lexicon.generated
    assert lexicon.say("42") == lexicon.say("--") == []
    assert not lexicon.can_say("42")
    assert not lexicon.can_say("--")
    assert lexicon.say("CAFÉ-42") == lexicon.say("42ND") == []
    assert not lexicon.generated
    assert lexicon.lacks("42")
    assert not lexicon.lacks("Café-'tis")


def test_words_are_said_by_rule_once_with_the_letters_that_rules_know() -> None:
    known = {"AT": ("AE", "T"), "TA": ("T", "AE"), "TAT": ("T", "AE", "T"), "ATTA": ("AE", "T", "AE")}
    lexicon = Lexicon({word: [phones] for word, phones in known.items()})
    assert lexicon.can_say("TÄTÄ")
    assert not lexicon.generated
    lexicon.prepare(["TÄTÄ", "AT", "TOT"])
    assert list(lexicon.generated) == ["TÄTÄ"]
    assert lexicon.say("TÄTÄ") == lexicon.say("TATA") == [lexicon.generated["TÄTÄ"]]
    assert lexicon.lacks("TÄTÄ-AT")
    assert not lexicon.lacks("TA-AT")
    assert lexicon.say("TOT") == []
    kept = Lexicon({"AT": [("AE", "T")]}, {"TATA": ("T",)})
    assert kept.say("tata") == [("T",)]
