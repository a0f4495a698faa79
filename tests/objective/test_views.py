from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from asr.config import Config
from asr.model.encoder import Encoder
from asr.model.headed import Headed
from asr.objective.objective import Inputs, Lesson, Target
from asr.objective.views import Heads, Views

SMALL = dataclasses.replace(
    Config(),
    features=dataclasses.replace(Config().features, mels=8),
    model=dataclasses.replace(Config().model, layers=2, width=16, heads=2, feedforward=24),
)


def lesson(counts: list[int]) -> Lesson:
    """Two views that are noise of their own."""
    torch.manual_seed(0)
    clean, *drawn = [torch.randn(len(counts), 60, 8) for _ in range(3)]
    real = torch.tensor(counts)
    views: Iterator[Inputs] = iter([Inputs(view, real, real) for view in drawn])
    return Lesson((clean, real), counts, Target([()]), 0.0, lambda _: next(views), np.random.default_rng(0))


def model(seed: int = 1) -> Headed:
    torch.manual_seed(seed)
    return Headed(Encoder(8, 0, SMALL.model), Views(SMALL).make_heads())


def test_each_view_predicts_what_the_teacher_projects_of_the_other_one() -> None:
    objective, student, teacher = Views(SMALL), model(1), model(2)
    one = lesson([60, 31])
    inputs = objective.inputs(one)
    assert inputs.features.shape == (4, 60, 8)
    assert not torch.equal(inputs.features[:2], inputs.features[2:])
    told = dataclasses.replace(one, target=objective.ask(teacher, one, inputs))
    assert told.target.teacher is not None
    assert not told.target.teacher.requires_grad
    heard = student(inputs.features, inputs.frames)
    cost = objective.cost(heard, told, inputs)
    heads = teacher.heads
    assert isinstance(heads, Heads)
    with torch.no_grad():
        targets = heads.projector(teacher.encoder(inputs.features, inputs.frames).top)
    expected = 0.0
    for row, other in ((0, 2), (1, 3), (2, 0), (3, 1)):
        for frame in range([20, 11, 20, 11][row]):
            q, z = heard.predicted[row, frame], targets[other, frame]
            q, z = q / q.norm(), z / z.norm()
            expected += float((q - z).square().sum().detach()) * 0.03 / 2
    assert float(cost.total.detach()) == pytest.approx(expected, rel=1e-4)


def test_a_rank_without_an_utterance_has_gradients_of_zero() -> None:
    objective, student = Views(SMALL), model()
    one = lesson([0])
    inputs = objective.inputs(one)
    told = dataclasses.replace(one, target=objective.ask(student, one, inputs))
    cost = objective.cost(student(inputs.features, inputs.frames), told, Inputs(*inputs))
    cost.total.backward()
    assert float(cost.total.detach()) == 0
    assert all(p.grad is not None and not p.grad.any() for p in student.parameters())
