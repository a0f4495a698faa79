from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.config import Config, ObjectiveConfig
from asr.model.encoder import Heard
from asr.objective.consistency import consistency_loss
from asr.objective.ctc import ctc_loss, needed_frames
from asr.objective.recognition import Recognition, Target
from asr.objective.soft import soft_loss

TARGETS = [[1, 2, 2], [3]]
BOTH = torch.tensor([True, True])


def heard(views: int = 1, intermediate: int = 0, seed: int = 0) -> Heard:
    torch.manual_seed(seed)
    made = [torch.randn(2 * views, 9, 5).log_softmax(-1) for _ in range(1 + intermediate)]
    return Heard(made[0], torch.tensor([9, 5] * views), tuple(made[1:]))


def test_an_utterance_without_target_costs_nothing_and_padding_changes_nothing() -> None:
    one = heard()
    whole = ctc_loss(one.log_probs, one.lengths, TARGETS)
    parts = [ctc_loss(one.log_probs, one.lengths, t) for t in ([TARGETS[0], []], [[], TARGETS[1]])]
    torch.testing.assert_close(sum(parts), whole)
    shorter = ctc_loss(one.log_probs[1:, :5], one.lengths[1:], TARGETS[1:])
    torch.testing.assert_close(parts[1], shorter)
    assert needed_frames([1, 2, 2]) == 4


def test_two_views_cost_their_mean() -> None:
    both = heard(views=2)
    none = Recognition(Config(objective=ObjectiveConfig(consistency=((0.0, 0.0), (1.0, 0.0), (1.0, 0.3)))))
    assert (none.views(0.5), none.views(1.0)) == (1, 2)
    views = [Heard(both.log_probs[i : i + 2], both.lengths[:2]) for i in (0, 2)]
    ctc = sum(ctc_loss(v.log_probs, v.lengths, TARGETS) for v in views) / 2
    expected = ctc + 0.3 * consistency_loss(both, BOTH)
    torch.testing.assert_close(none.loss(both, Target(TARGETS), 1.0, both.lengths), expected)


def test_losses_after_earlier_blocks_have_their_share() -> None:
    one = heard(intermediate=2)
    parts = [ctc_loss(p, one.lengths, TARGETS) for p in (one.log_probs, *one.intermediate)]
    objective = Recognition(Config(objective=ObjectiveConfig(intermediate_weight=0.4)))
    found = objective.loss(one, Target(TARGETS), 0.0, one.lengths)
    torch.testing.assert_close(found, 0.6 * parts[0] + 0.2 * (parts[1] + parts[2]))


def test_views_that_agree_cost_nothing_and_those_that_do_not_are_pulled_together() -> None:
    one = heard().log_probs
    same = torch.cat((one, one)).requires_grad_()
    assert float(consistency_loss(Heard(same, torch.tensor([9, 5, 9, 5])), BOTH)) == pytest.approx(0, abs=1e-6)
    apart = heard(views=2)
    logits = apart.log_probs.clone().requires_grad_()
    before = consistency_loss(Heard(logits.log_softmax(-1), apart.lengths), BOTH)
    before.backward()
    assert logits.grad is not None
    # Frames beyond an end are of no view.
    assert not logits.grad[1, 5:].any()
    after = consistency_loss(Heard((logits - 0.5 * logits.grad).log_softmax(-1), apart.lengths), BOTH)
    assert after < before


def test_an_utterance_whose_label_is_dropped_teaches_nothing_and_so_not_to_agree_on_silence() -> None:
    objective = Recognition(Config(objective=ObjectiveConfig(consistency=0.3)))
    both = heard(views=2)
    logits = both.log_probs.clone().requires_grad_()
    given = Heard(logits.log_softmax(-1), both.lengths)
    objective.loss(given, Target([TARGETS[0], []]), 0.0, both.lengths).backward()
    assert logits.grad is not None
    assert logits.grad[[0, 2]].any()
    assert not logits.grad[[1, 3]].any()


def test_soft_targets_are_means_over_the_frames_of_a_token() -> None:
    probabilities = torch.tensor([[[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.3, 0.0, 0.7]]])
    teacher = probabilities.clamp(min=1e-9).log()
    student = heard().log_probs[:1, :4, :3].log_softmax(-1)
    target = np.array([[0.3, 0.7, 0.0], [0.3, 0.0, 0.7]])
    found = np.stack([student.exp()[0, 1:3].mean(0).numpy(), student.exp()[0, 3].numpy()])
    cost = soft_loss(student, teacher, torch.tensor([4]), torch.tensor([True]))
    assert float(cost) == pytest.approx(-(target * np.log(found)).sum(), rel=1e-5)
    assert float(soft_loss(student, teacher, torch.tensor([4]), torch.tensor([False]))) == 0
    # Frames that are not real count for nothing.
    assert float(soft_loss(student, teacher, torch.tensor([3]), torch.tensor([True]))) == pytest.approx(
        -(target[0] * np.log(found[0])).sum(), rel=1e-5
    )
