from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from asr.errors import UserError
from asr.study.spectra import compare_spectra, format_spectra


def rotation(size: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0]


def test_matching_matrices_are_compared_whatever_their_widths(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from asr.study.figure import draw_spectra

    narrow = {"a.weight": 2 * rotation(4, 1), "a.bias": torch.ones(4), "only": torch.ones(2, 2)}
    wide = {"a.weight": 3 * rotation(8, 2), "a.bias": torch.ones(8)}
    (found,) = compare_spectra(narrow, wide)
    np.testing.assert_allclose(found.first, np.full(4, 2), rtol=1e-6)
    np.testing.assert_allclose(found.second, np.full(8, 3), rtol=1e-6)
    assert found.ratio == pytest.approx(1.5)
    assert format_spectra([found]).splitlines()[-1].split() == ["geometric", "mean", "1.50"]
    draw_spectra([found], tmp_path / "spectra.svg")
    assert b"a.weight" in (tmp_path / "spectra.svg").read_bytes()


def test_models_without_a_common_matrix_are_refused() -> None:
    with pytest.raises(UserError, match="no matrix of the same name"):
        compare_spectra({"a": torch.ones(2, 2)}, {"b": torch.ones(2, 2)})
