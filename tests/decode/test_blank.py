from __future__ import annotations

import torch

from asr.decode.blank import lower_blank
from asr.decode.search import one_by_one, search_greedily


def test_a_lower_blank_leaves_the_others_as_likely_to_each_other_and_sums_to_1() -> None:
    log_probs = torch.randn(2, 5, 4).log_softmax(-1)
    lowered = lower_blank(log_probs, 0.7)
    torch.testing.assert_close(lowered.exp().sum(-1), torch.ones(2, 5))
    odds = log_probs[..., :1] - log_probs[..., 1:]
    torch.testing.assert_close(lowered[..., :1] - lowered[..., 1:], odds - 0.7)
    assert lower_blank(log_probs, 0.0) is log_probs


def test_a_search_with_a_penalty_finds_what_one_without_leaves_out() -> None:
    log_probs = torch.tensor([[[0.6, 0.4], [0.9, 0.1]]]).log()

    def ids(nats: float) -> list[int]:
        search = one_by_one(lambda row: search_greedily(row[None], torch.tensor([len(row)]))[0], nats)
        return search(log_probs, torch.tensor([2]))[0].ids

    assert [ids(nats) for nats in (0.0, 0.3, 0.5)] == [[], [], [1]]
