from __future__ import annotations

import pytest

from asr.data.symbols import BOUNDARY
from asr.decode.hotwords import Hotwords
from asr.errors import UserError


def earn(hotwords: Hotwords, text: str) -> float:
    """What a whole text earns, spelled one character after the other."""
    state, total = hotwords.start, 0.0
    for character in text.replace(" ", BOUNDARY):
        state, earned = hotwords.step(state, character)
        total += earned
    return total + hotwords.finish(state)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CAT", 1),
        ("A CAT SAT", 1),
        ("CAT CAT", 2),
        ("CATALOGUE", 0),
        ("CONCAT", 0),
        ("CA", 0),
        ("CA T", 0),
        ("", 0),
        ("NEW YORK", 1),
        ("NEW NEW YORK", 1),
        ("NEW YORKER", 0),
        ("THE CAT IN NEW YORK", 2),
    ],
)
def test_only_whole_phrases_keep_what_they_have_earned(text: str, found: int) -> None:
    assert earn(Hotwords(["cat", "New York"], 5.0), text) == pytest.approx(5.0 * found)


def test_a_phrase_within_another_counts_beside_it() -> None:
    hotwords = Hotwords(["YORK", "NEW YORK"], 1.0)
    assert earn(hotwords, "NEW YORK") == pytest.approx(2.0)
    assert earn(hotwords, "OLD YORK") == pytest.approx(1.0)


def test_a_phrase_that_is_being_spelled_is_worth_more_letter_by_letter() -> None:
    hotwords = Hotwords(["ABCD"], 5.0)
    state, so_far = hotwords.start, [0.0]
    for character in "ABCD":
        state, earned = hotwords.step(state, character)
        so_far.append(so_far[-1] + earned)
    assert so_far == pytest.approx([0, 1, 2, 3, 4])
    assert hotwords.step(state, "E")[1] == pytest.approx(-4.0)


def test_pieces_of_words_earn_what_their_letters_do() -> None:
    hotwords = Hotwords(["HELLO YOU"], 9.0)
    state, total = hotwords.start, 0.0
    for piece in ("▁HE", "LLO", "▁", "YOU"):
        state, earned = hotwords.step(state, piece)
        total += earned
    assert total + hotwords.finish(state) == pytest.approx(9.0)


def test_the_table_is_what_single_steps_give() -> None:
    hotwords = Hotwords(["AB", "B"], 2.0)
    symbols = ["<blank>", BOUNDARY, "A", "B", "▁AB"]
    states, earned = hotwords.table(symbols)
    for state in range(len(states)):
        assert states[state, 0] == state
        assert earned[state, 0] == 0
        for token, symbol in enumerate(symbols[1:], 1):
            after, gain = hotwords.step(state, symbol)
            assert (states[state, token], earned[state, token]) == (after, pytest.approx(gain))
        assert hotwords.endings()[state] == pytest.approx(hotwords.finish(state))


def test_an_empty_phrase_is_refused() -> None:
    with pytest.raises(UserError, match="is empty"):
        Hotwords([" "], 1.0)
