from __future__ import annotations

import pytest
import torch

from asr.objective.signs import NAMES, collapsed, effective_rank, measure, variance

HEALTHY = {"loss": 1.0, "target_variance": 0.9, "prediction_variance": 0.3, "rank": 12.0}


def test_the_effective_rank_counts_directions() -> None:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(16, 16))[0]
    for count in (1, 2, 5, 16):
        values = 7 + torch.randn(20_000, count) @ basis[:count]
        assert float(effective_rank(values)) == pytest.approx(count, rel=0.03)
    # By definition, from eigenvalues: here 4 and 1.
    values = torch.randn(50_000, 2) * torch.tensor([2.0, 1.0])
    assert float(effective_rank(values)) == pytest.approx(25 / 17, rel=0.03)
    assert float(effective_rank(torch.full((30, 4), 5.0))) == 0
    assert float(variance(torch.full((30, 4), 5.0))) == 0


def test_what_is_measured_is_weighed_by_frames_and_no_frames_weigh_nothing() -> None:
    torch.manual_seed(0)
    values = torch.randn(50, 4)
    found = measure(torch.tensor(3.0), values, 0.5 * values)
    assert found[0] == 50
    assert len(found) == 1 + len(NAMES)
    assert float(found[1] / found[0]) == 3
    assert float(found[3] / found[2]) == pytest.approx(0.25, rel=1e-4)
    none = torch.zeros(0, 4)
    assert not measure(none.sum(), none, none).any()


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
