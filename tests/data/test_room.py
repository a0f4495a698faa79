from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from asr.data import room
from asr.data.draws import PartGenerator
from asr.data.room import other_room

SHIFT = 0.01


def speech(utterances: int = 3, frames: int = 300) -> tuple[Tensor, Tensor]:
    """Syllables and pauses, of deviation 1, the second utterance half as long."""
    generator = torch.Generator().manual_seed(1)
    counts = torch.tensor([frames if i != 1 else frames // 2 for i in range(utterances)])
    loud = (torch.arange(frames) // 15 % 2).float()[:, None] * 2 - 1
    features = loud + 0.3 * torch.randn(utterances, frames, 80, generator=generator)
    for i, count in enumerate(counts.tolist()):
        one = features[i, :count]
        features[i, :count] = (one - one.mean(0)) / one.std(0, correction=0)
        features[i, count:] = 0
    return features, counts


@pytest.mark.parametrize(("noise", "echo"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_features_are_normalised_again_and_padding_stays_silent(noise: float, echo: float) -> None:
    features, counts = speech()
    heard = other_room(features, counts, noise, echo, SHIFT, np.random.default_rng(1))
    assert not torch.allclose(heard, features, atol=0.1)
    for i, count in enumerate(counts.tolist()):
        assert not heard[i, count:].any()
        torch.testing.assert_close(heard[i, :count].mean(0), torch.zeros(80), rtol=0, atol=1e-4)
        torch.testing.assert_close(heard[i, :count].std(0, correction=0), torch.ones(80), rtol=0, atol=1e-2)


def test_only_a_share_of_utterances_is_elsewhere() -> None:
    features, counts = speech(200, 60)
    heard = other_room(features, counts, 0.3, 0.0, SHIFT, np.random.default_rng(2))
    same = (heard == features).flatten(1).all(1)
    assert 0.6 < same.float().mean() < 0.8
    assert torch.equal(other_room(features, counts, 0.3, 0.0, SHIFT, np.random.default_rng(2)), heard)


def test_a_part_of_a_micro_batch_is_where_it_is_with_all_of_it() -> None:
    features, counts = speech(4)
    whole = other_room(features, counts, 0.5, 0.5, SHIFT, PartGenerator((1, 2), 4, np.arange(4)))
    places = np.array([1, 3])
    part = other_room(features[places], counts[places], 0.5, 0.5, SHIFT, PartGenerator((1, 2), 4, places))
    torch.testing.assert_close(part, whole[places])


def test_noise_hides_what_is_quiet_and_leaves_what_is_loud() -> None:
    features, counts = speech(20)
    heard = other_room(features, counts, 1.0, 0.0, SHIFT, np.random.default_rng(3))
    quiet, loud = features < -0.7, features > 0.7
    for i, count in enumerate(counts.tolist()):
        before, after = features[i, :count], heard[i, :count]
        # What spread pauses had of their own is under one level of noise; what spread syllables had is heard.
        kept = [torch.corrcoef(torch.stack((before[m[i, :count]], after[m[i, :count]])))[0, 1] for m in (quiet, loud)]
        assert kept[1] > kept[0]


def test_an_echo_falls_by_60_db_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SHORTEST", 0.2)
    monkeypatch.setattr(room, "LONGEST", 0.2)
    taps = room._echo(np.random.default_rng(4), 2, SHIFT)
    late = taps[:, :-1].flip(1)
    assert taps[:, -1].tolist() == [1, 1]
    torch.testing.assert_close(late[:, 20 - 1] / late[:, 0], torch.full((2,), 10 ** (-6 * 19 / 20)), rtol=1e-4, atol=0)
    decibels = [10 * math.log10(v) for v in late.sum(1).tolist()]
    assert all(room.DRIEST <= v <= room.WETTEST for v in decibels)


def test_an_echo_is_heard_after_what_is_said() -> None:
    generator = torch.Generator().manual_seed(2)
    features, counts = -1.0 + 0.01 * torch.rand(1, 100, 80, generator=generator), torch.tensor([100])
    features[0, 30:40] = 3.0
    heard = other_room(features, counts, 0.0, 1.0, SHIFT, np.random.default_rng(5))[0].mean(1)
    assert heard[:30].max() < heard[41] < heard[35]
    assert (heard[40:50].diff() < 0).all()


def test_digital_zeros_are_no_part_of_the_statistics() -> None:
    """As in `LogMel`: a model must hear speech the same, with zeros before it or without."""
    features, counts = speech(1)
    quiet = features.amin(1, keepdim=True)
    after = torch.cat((quiet.expand(-1, 200, -1), features), 1)
    alone = other_room(features, counts, 0.0, 1.0, SHIFT, np.random.default_rng(6))
    heard = other_room(after, counts + 200, 0.0, 1.0, SHIFT, np.random.default_rng(6))
    torch.testing.assert_close(heard[:, 230:], alone[:, 30:], rtol=0, atol=0.1)
    assert torch.equal(heard[0, :200], heard[0].amin(0).expand(200, -1))


@pytest.mark.parametrize(("noise", "echo"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_click_in_silence_and_a_gap_in_a_tone_stay_finite(noise: float, echo: float) -> None:
    features = torch.zeros(3, 2000, 80)
    features[0, 1000] = 40.0
    features[1, 1000] = -40.0
    counts = torch.tensor([2000, 2000, 0])
    heard = other_room(features, counts, noise, echo, SHIFT, np.random.default_rng(7))
    assert heard.isfinite().all()
    assert not heard[2].any()
