"""The teacher: an exponential moving average of the student, in fp32."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def make_teacher(student: Model) -> Model:
    """A copy of the student that is never trained."""
    teacher = copy.deepcopy(student).float().eval()
    return teacher.requires_grad_(False)


@torch.no_grad()
def move_teacher(teacher: nn.Module, student: nn.Module, rate: float) -> None:
    """teacher ← teacher + rate · (student − teacher), rate = 1 − ρ^κ, after the optimizer's step.

    In this form a rate of 1e-5 still moves fp32 weights; ρ·teacher + (1 − ρ)·student loses it to rounding.
    """
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), rate)
