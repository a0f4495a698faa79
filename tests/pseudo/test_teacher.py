from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from asr.config import PseudoConfig
from asr.decode.greedy import unpack_best
from asr.model.encoder import Heard
from asr.pseudo.teacher import Asking, make_teacher, move_teacher
from asr.scaling.rules import ema_rate


def test_the_teacher_starts_as_the_student_and_is_never_trained() -> None:
    student = nn.Linear(3, 3)
    teacher = make_teacher(student)
    assert torch.equal(teacher.weight, student.weight)
    assert not teacher.weight.requires_grad
    assert not teacher.training


def test_kappa_small_moves_towards_a_still_student_are_one_scaled_move() -> None:
    torch.manual_seed(0)
    student = nn.Linear(50, 50)
    step_by_step, at_once = nn.Linear(50, 50), nn.Linear(50, 50)
    at_once.load_state_dict(step_by_step.state_dict())
    for _ in range(8):
        move_teacher(step_by_step, student, ema_rate(0.999, 1))
    move_teacher(at_once, student, ema_rate(0.999, 8))
    torch.testing.assert_close(step_by_step.weight, at_once.weight, rtol=1e-5, atol=1e-6)


def test_a_momentum_of_0_9999_moves_fp32_weights_all_the_way() -> None:
    student, teacher = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(student.weight, 1.5)
    nn.init.constant_(teacher.weight, 1.0)
    for _ in range(10_000):
        move_teacher(teacher, student, ema_rate(0.9999, 1))
    assert abs(float(teacher.weight.detach()) - (1 + 0.5 * (1 - 0.9999**10_000))) < 1e-3


class Unsure(nn.Module):
    """Hears in each frame hardly less of token 1 than of nothing."""

    def forward(self, features: Tensor, frames: Tensor) -> Heard:
        return Heard(torch.tensor([0.5, 0.4, 0.1]).log().expand(*features.shape[:2], 3), frames, ())


@pytest.mark.parametrize("search", ["greedy", "sampled"])
def test_a_blank_penalty_finds_what_was_left_out_and_leaves_what_the_teacher_heard(search: str) -> None:
    heard: list[list[int]] = []
    for penalty in (0.0, 1.0):
        settings = PseudoConfig(search=search, temperature=1e-3, blank_penalty=penalty)  # type: ignore[arg-type]
        answer = Asking(Unsure(), settings, True, nullcontext).ask(torch.zeros(1, 3, 8), torch.tensor([3]), [0])
        heard.append(unpack_best(answer.packed)[0].ids)
        assert answer.log_probs is not None
        torch.testing.assert_close(answer.log_probs[0, 0].exp(), torch.tensor([0.5, 0.4, 0.1]))
    assert heard == [[], [1]]
