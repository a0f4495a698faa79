from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tiny_corpus import TinyCorpus

from asr.config import PseudoConfig
from asr.data.tokens import load_tokenizer
from asr.pseudo import pseudo_labels
from asr.pseudo.label import Label
from asr.pseudo.pseudo_labels import PseudoLabels


def labels_of(tiny_corpus: TinyCorpus, utterances: int, **settings: float) -> PseudoLabels:
    config = dataclasses.replace(PseudoConfig(), **settings)  # type: ignore[arg-type]
    return PseudoLabels(config, load_tokenizer(tiny_corpus.tokens), np.ones(utterances), 1.0)


def test_churn_is_that_of_all_ranks_in_the_order_of_steps(tiny_corpus: TinyCorpus) -> None:
    one, other = Label(3, (1, 2, 3, 4)), Label(3, (1, 2, 3, 5))
    alone = labels_of(tiny_corpus, 10)
    assert not alone.shared
    for step, label in enumerate((one, other, one)):
        alone.wait(step, [(0, label)])
    assert alone.settle(alone.waiting()) == (0.5, 2)
    assert alone.waiting() == []

    # Two ranks have labeled the utterance in turns, and each hands over its own.
    ranks = [labels_of(tiny_corpus, 10) for _ in range(2)]
    ranks[1].wait(0, [(0, one)])
    ranks[0].wait(1, [(0, other)])
    ranks[1].wait(2, [(0, one)])
    made = [label for rank in ranks for label in rank.waiting()]
    assert [rank.settle(made) for rank in ranks] == [(0.5, 2)] * 2
    assert ranks[0].store.tokens(3) == one.tokens


def test_a_sample_is_remembered_where_nothing_else_is(tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudo_labels, "SAMPLE", 5)
    pseudo = labels_of(tiny_corpus, 10)
    pseudo.wait(0, [(row, Label(row, (1,))) for row in range(10)])
    assert pseudo.settle(pseudo.waiting()) == (0.0, 0)
    assert [row for row in range(10) if row in pseudo.store] == [0, 2, 4, 6, 8]

    # What leaves a cache is forgotten, but for the sample.
    cached = labels_of(tiny_corpus, 10, cache_hours=1.0)
    cached.take_up([Label(row, (1,)) for row in (2, 3)], [], 0.0, 0.1)
    cached.take_up([], [2, 3], 0.1, 0.2)
    assert (2 in cached.store, 3 in cached.store) == (True, False)
    assert math.isnan(cached.store[2].churn)
