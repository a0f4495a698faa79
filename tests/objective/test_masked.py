from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from asr.config import Config
from asr.data.draws import PartGenerator
from asr.model.encoder import Encoder
from asr.model.headed import Headed
from asr.objective.masked import Masked, block_targets, hide
from asr.objective.objective import Inputs, Lesson, Target

SMALL = dataclasses.replace(
    Config(),
    features=dataclasses.replace(Config().features, mels=8),
    model=dataclasses.replace(Config().model, layers=3, width=16, heads=2, feedforward=24, convolution=3, half_rate=1),
    objective=dataclasses.replace(Config().objective, kind="masked", masks=2, top_blocks=2, mask_seconds=0.12),
)
COUNTS = [60, 31]


def lesson(seed: int = 0) -> Lesson:
    """Waves, whose course can be told from what is left of it."""
    torch.manual_seed(0)
    features = torch.sin(torch.arange(60)[None, :, None] * (0.1 + torch.rand(2, 1, 8)) + 6 * torch.rand(2, 1, 8))
    features[1, 31:] = 0
    clean = features, torch.tensor(COUNTS)
    return Lesson(clean, COUNTS, Target([(), ()]), 0.0, lambda _: Inputs(*clean, clean[1]), np.random.default_rng(seed))


def models(objective: Masked) -> Headed:
    torch.manual_seed(1)
    return Headed(Encoder(8, 0, SMALL.model), objective.make_heads())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_share_that_is_hidden_is_the_one_asked_for_in_stretches_of_one_length(share: float) -> None:
    lengths = [400, 397, 90, 7, 1, 0]
    hidden = hide(lengths, 400, share, 5, np.random.default_rng(0))
    for row, length in zip(hidden, lengths, strict=True):
        assert not row[length:].any()
        if length >= 90:
            assert abs(row[:length].mean() - share) < 6 / length + 0.01
            ends = np.flatnonzero(np.diff(np.concatenate(([0], row[:length], [0])).astype(int)))
            # All but those at an utterance's ends are whole stretches, or several in a row.
            assert all(n % 5 == 0 for n in (ends[1::2] - ends[::2])[1:-1])
    assert hidden[3].any()
    assert not hidden[3, :7].all()
    other = hide(lengths, 400, share, 5, np.random.default_rng(1))
    assert (hidden != other).any()


@pytest.mark.parametrize("copies", [1, 2])
def test_an_utterance_is_hidden_alike_whatever_part_of_its_micro_batch_it_is_in(copies: int) -> None:
    lengths, key = np.array([400, 300, 200, 350, 90]), (1, 7)

    def hidden(places: np.ndarray) -> np.ndarray:
        return hide(lengths[places].tolist() * copies, 400, 0.5, 15, PartGenerator(key, 5, places))

    whole = hidden(np.arange(5)).reshape(copies, 5, -1)
    for first in (0, 1):
        part = hidden(np.arange(first, 5, 2)).reshape(copies, -1, 400)
        assert (part == whole[:, first::2]).all()
    assert copies == 1 or (whole[0] != whole[1]).any()


def test_what_is_hidden_is_silent_in_the_features_around_its_encoder_frames_and_nothing_else_is() -> None:
    objective = Masked(SMALL)
    one = lesson()
    inputs = objective.inputs(one)
    assert inputs.hidden is not None
    assert inputs.features.shape == (4, 60, 8)
    assert inputs.frames.tolist() == COUNTS * 2
    assert not torch.equal(inputs.hidden[:2], inputs.hidden[2:])
    clean = one.clean[0].repeat(2, 1, 1)
    for row, length in enumerate(COUNTS * 2):
        for frame in range(length):
            # 31 frames are 11 of the encoder, and 60 are 20.
            silent = bool(inputs.hidden[row, min((frame + 1) // 3, (length + 2) // 3 - 1)])
            assert silent == bool((inputs.features[row, frame] == 0).all()), (row, frame)
            assert silent or torch.equal(inputs.features[row, frame], clean[row, frame])


def test_targets_are_a_mean_of_normalised_states_and_padding_counts_for_nothing() -> None:
    torch.manual_seed(0)
    states = [3 + 2 * torch.randn(2, 9, 4), torch.randn(2, 9, 4)]
    found = block_targets(states, torch.tensor([9, 5]))
    expected = sum((s[1, :5] - s[1, :5].mean(0)) / s[1, :5].std(0, correction=0) for s in states) / 2
    torch.testing.assert_close(found[1, :5], expected, rtol=1e-3, atol=1e-3)
    assert not found[1, 5:].any()
    # A channel that does not change has nothing to say, however large it is.
    assert float(block_targets([torch.full((1, 9, 4), 7.0)], torch.tensor([9])).abs().max()) < 1e-3


def test_only_hidden_frames_cost_each_utterance_by_its_seconds_and_the_teacher_hears_all() -> None:
    objective = Masked(SMALL)
    model = models(objective)
    one = lesson()
    inputs = objective.inputs(one)
    told = dataclasses.replace(one, target=objective.ask(model, one, inputs))
    wanted = told.target.teacher
    assert wanted is not None
    assert not wanted.requires_grad
    heard = model.encoder(*one.clean, depth=2)
    torch.testing.assert_close(wanted, block_targets(heard.states, heard.lengths).detach())
    heard = model(inputs.features, inputs.frames)
    heard = heard._replace(predicted=heard.predicted.detach().requires_grad_())
    cost = objective.cost(heard, told, inputs)
    cost.total.backward()
    gradient = heard.predicted.grad
    assert gradient is not None
    assert inputs.hidden is not None
    real = torch.arange(20) < heard.lengths[:, None]
    assert ((gradient != 0).any(-1) == (inputs.hidden & real)).all()
    errors = (heard.predicted.detach() - wanted.repeat(2, 1, 1)).square().mean(-1)
    means = [errors[row][inputs.hidden[row] & real[row]].mean() for row in range(4)]
    seconds = heard.lengths * 0.03
    torch.testing.assert_close(cost.total.detach(), sum(m * s for m, s in zip(means, seconds, strict=True)) / 2)


def test_it_learns_to_say_what_is_hidden() -> None:
    objective = Masked(dataclasses.replace(SMALL, objective=dataclasses.replace(SMALL.objective, masks=1)))
    model, teacher = models(objective), models(objective)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        one = lesson(step)
        inputs = objective.inputs(one)
        told = dataclasses.replace(one, target=objective.ask(teacher, one, inputs))
        cost = objective.cost(model(inputs.features, inputs.frames), told, inputs)
        optimizer.zero_grad()
        cost.total.backward()
        optimizer.step()
        assert cost.signs is not None
        losses.append(float(cost.signs[1] / cost.signs[0]))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_rank_without_an_utterance_has_gradients_of_zero() -> None:
    objective = Masked(SMALL)
    model = models(objective)
    clean = torch.zeros(1, 60, 8), torch.tensor([0])
    one = Lesson(clean, [0], Target([()]), 0.0, lambda _: Inputs(*clean, clean[1]), np.random.default_rng(0))
    inputs = objective.inputs(one)
    told = dataclasses.replace(one, target=objective.ask(model, one, inputs))
    cost = objective.cost(model(inputs.features, inputs.frames), told, Inputs(*inputs))
    cost.total.backward()
    assert float(cost.total.detach()) == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())
    assert cost.signs is not None
    assert not cost.signs.any()
