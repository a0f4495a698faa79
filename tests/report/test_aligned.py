import pytest

from asr.errors import UserError
from asr.report.aligned import draw_utterance, worst_utterances

REFERENCES = {"a": "ONE TWO THREE FOUR", "b": "ONE TWO", "c": "ONE", "d": "ONE TWO THREE", "e": ""}
HYPOTHESES = {"a": "ONE TOO THREE FOR", "b": "", "c": "ONE", "d": "ONE TWO", "e": "OH"}


def test_the_most_errors_come_first_and_right_utterances_are_left_out() -> None:
    worst = worst_utterances(REFERENCES, HYPOTHESES, 10)
    assert [u.id for u in worst] == ["b", "a", "e", "d"]
    assert [u.counts.errors for u in worst] == [2, 2, 1, 1]
    assert [u.id for u in worst_utterances(REFERENCES, HYPOTHESES, 2)] == ["b", "a"]


def test_hypotheses_without_a_reference_do_not_matter() -> None:
    assert worst_utterances({"a": "ONE"}, {"a": "ONE", "z": "MORE"}, 5) == []


def test_a_missing_hypothesis_is_named() -> None:
    with pytest.raises(UserError, match="2 of 3 utterances have no hypothesis, 'b' for one"):
        worst_utterances({"a": "A", "b": "B", "c": "C"}, {"a": "A"}, 5)


def test_words_stand_under_each_other_and_gaps_are_dashes() -> None:
    (utterance,) = worst_utterances({"u": "THE CAT SAT ON"}, {"u": "THE BAT SAT NOW THEN"}, 1)
    item = draw_utterance(utterance)
    columns = item.findall("p[@class='aligned']/span")
    pairs = [tuple(span.text for span in column) for column in columns]
    assert pairs[:3] == [("THE", "THE"), ("CAT", "BAT"), ("SAT", "SAT")]
    assert sorted(pairs[3:]) in ([("ON", "THEN"), ("—", "NOW")], [("ON", "NOW"), ("—", "THEN")])
    classes = [column.get("class") for column in columns]
    assert classes[:3] == ["word hit", "word sub", "word hit"]
    assert sorted(map(str, classes[3:])) == ["word ins", "word sub"]


def test_a_screen_reader_gets_both_texts_in_a_row() -> None:
    (utterance,) = worst_utterances({"u": "THE CAT"}, {"u": ""}, 1)
    item = draw_utterance(utterance)
    spoken, aligned = item.findall("p")[1:]
    assert spoken.text == "Reference: THE CAT. Hypothesis: (nothing)."
    assert aligned.get("aria-hidden") == "true"
    assert "".join(item.findall("p")[0].itertext()) == "u2 errors in 2 words"
