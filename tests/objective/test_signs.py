from __future__ import annotations

import pytest
import torch

from asr.objective.signs import NAMES, collapsed, effective_rank, measure, variance

HEALTHY = {"loss": 1.0, "target_variance": 0.9, "prediction_variance": 0.3, "rank": 12.0}


def test_the_effective_rank_counts_directions_of_the_frames_that_count() -> None:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(16, 16))[0]
    used = torch.rand(20, 2000) < 0.5
    for count in (1, 2, 5, 16):
        values = 7 + torch.randn(20, 2000, count) @ basis[:count]
        values[~used] = 100 * torch.randn(16)
        assert float(effective_rank(values, used)) == pytest.approx(count, rel=0.03)
    # By definition, from eigenvalues: here 4 and 1.
    values = torch.randn(50_000, 2) * torch.tensor([2.0, 1.0])
    assert float(effective_rank(values, torch.ones(50_000))) == pytest.approx(25 / 17, rel=0.03)
    assert float(variance(values, torch.ones(50_000))) == pytest.approx(2.5, rel=0.03)
    same, ones = torch.full((30, 4), 5.0), torch.ones(30)
    assert float(effective_rank(same, ones)) == float(variance(same, ones)) == 0


def test_what_is_measured_is_weighed_by_frames_and_no_frames_weigh_nothing() -> None:
    torch.manual_seed(0)
    values, used = torch.randn(5, 20, 4), torch.arange(20).expand(5, 20) < 10
    found = measure(torch.arange(20.0).expand(5, 20), values, 0.5 * values, used)
    assert found[0] == 50
    assert len(found) == 1 + len(NAMES)
    assert float(found[1] / found[0]) == 4.5
    assert float(found[3] / found[2]) == pytest.approx(0.25, rel=1e-4)
    assert not measure(used.float(), values, values, torch.zeros(5, 20, dtype=torch.bool)).any()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("target_variance", 1e-3, "target variance 0.001, under 0.01"),
        ("prediction_variance", 1e-4, "prediction variance 0.0001, under 0.001"),
        ("rank", 1.1, "effective rank 1.1, under 1.5"),
    ],
)
def test_what_has_collapsed_is_said(name: str, value: float, said: str) -> None:
    assert collapsed(HEALTHY, True) == ""
    assert said in collapsed(HEALTHY | {name: value}, True)
    # Predictions begin with hardly any variance.
    assert (collapsed(HEALTHY | {name: value}, False) == "") == (name == "prediction_variance")
