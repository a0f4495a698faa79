from __future__ import annotations

import math
import random

import pytest

from asr.pseudo.label import Label, difference
from asr.pseudo.store import LabelStore, labels_of


def label(row: int, *tokens: int, maker: str = "teacher, greedy", text: str = "") -> Label:
    return Label(row, tokens, -0.25, 40, 1.5, maker, churn=0.5, agreement=1.0, text=text)


def test_the_newest_label_of_an_utterance_counts() -> None:
    store = LabelStore(5, [label(3, 1, 2), label(0, 4)])
    store.put(label(3, 7))
    assert (len(store), store.tokens(3), store.tokens(0), store.tokens(1)) == (2, (7,), (4,), None)
    assert 1 not in store
    store.drop(3)
    assert [one.row for one in store] == [0]


def test_a_store_reads_back_from_its_columns_whatever_its_history() -> None:
    store = LabelStore(50)
    draw = random.Random(1)
    for _ in range(5000):
        row = draw.randrange(50)
        if draw.random() < 0.2:
            store.drop(row)
        else:
            store.put(label(row, *range(draw.randrange(9)), maker=draw.choice("ab"), text=draw.choice(["", "SÔ"])))
    again = LabelStore(50, labels_of(*store.columns()))
    assert list(again) == list(store)
    assert {name: column.tobytes() for name, column in again.columns()[0].items()} == {
        name: column.tobytes() for name, column in store.columns()[0].items()
    }


def test_what_was_replaced_does_not_pile_up() -> None:
    store = LabelStore(10)
    for turn in range(20_000):
        store.put(label(turn % 10, *range(50)))
    assert store.nbytes < 2000 * 60 * 4


def test_columns_of_unequal_lengths_are_refused() -> None:
    columns, makers = LabelStore(5, [label(3, 1, 2), label(0, 4)]).columns()
    columns["maker"] = columns["maker"][:1]
    with pytest.raises(ValueError, match="label columns"):
        list(labels_of(columns, makers))


def test_a_label_that_there_is_not_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        LabelStore(3)[1]


def test_the_difference_of_labels_is_the_share_of_tokens_that_changed() -> None:
    assert difference((1, 2, 3, 4), (1, 2, 3, 4)) == 0
    assert difference((1, 2, 3, 4), (1, 9, 3, 4)) == 0.25
    assert difference((), (1, 2)) == 1
    assert not math.isnan(difference((), ()))
