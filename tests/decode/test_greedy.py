from __future__ import annotations

import numpy as np
import torch

from asr.decode.greedy import collapse, pack_best, unpack_best


def test_repeats_and_blanks_go_and_a_blank_keeps_equal_neighbours_apart() -> None:
    assert collapse(np.array([0, 3, 3, 0, 3, 4, 4, 0, 0])) == [3, 3, 4]
    assert collapse(np.array([0, 0])) == []
    assert collapse(np.array([], dtype=np.int64)) == []
    assert collapse(np.array([2])) == [2]


def test_padding_is_not_decoded_nor_counted_in_the_mean() -> None:
    logits = torch.randn(2, 9, 6, generator=torch.Generator().manual_seed(0))
    log_probs = logits.log_softmax(-1)
    alone = unpack_best(pack_best(log_probs[:1, :5], torch.tensor([5])))[0]
    padded = unpack_best(pack_best(log_probs, torch.tensor([5, 9])))[0]
    assert padded.ids == alone.ids
    assert padded.frames == 5
    assert abs(padded.mean_log_prob - float(log_probs[0, :5].max(-1).values.mean())) < 1e-6


def test_an_utterance_without_frames_has_the_empty_label() -> None:
    label = unpack_best(pack_best(torch.zeros(1, 4, 6).log_softmax(-1), torch.tensor([0])))[0]
    assert (label.ids, label.frames, label.mean_log_prob) == ([], 0, 0.0)
