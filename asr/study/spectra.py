"""Singular values of a model's matrices: what the width rule is meant to keep at one size.

After "Robust Layerwise Scaling Rules by Proper Weight Decay Tuning" (2025): train a narrow proxy and the target, and
compare the top singular values of matching matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from asr.errors import UserError


@dataclass(frozen=True)
class Spectra:
    """Of one matrix in both models, falling."""

    name: str
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """Of the top singular values, second model to first."""
        return float(self.second[0] / self.first[0])


def singular_values(matrix: Tensor) -> npt.NDArray[np.float64]:
    """Of a matrix, or of a convolution's kernel as `(outputs, inputs · width)`."""
    return np.linalg.svd(matrix.double().flatten(1).numpy(), compute_uv=False)


def compare_spectra(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[Spectra]:
    """Of all matrices that bear one name in both models; their shapes may differ.

    Raises:
        UserError: no matrix of one bears a name of the other.
    """
    names = [name for name, tensor in first.items() if tensor.ndim > 1 and name in second]
    if not names:
        raise UserError("the two models have no matrix of the same name; compare models of this toolkit")
    return [Spectra(name, singular_values(first[name]), singular_values(second[name])) for name in names]


def format_spectra(spectra: list[Spectra]) -> str:
    """A table of top singular values."""
    width = max(len(s.name) for s in spectra)
    lines = [f"{'matrix':<{width}}  {'first':>9}  {'second':>9}  {'ratio':>6}"]
    lines += [f"{s.name:<{width}}  {s.first[0]:>9.4g}  {s.second[0]:>9.4g}  {s.ratio:>6.2f}" for s in spectra]
    ratios = np.array([s.ratio for s in spectra])
    mean = float(np.exp(np.log(ratios).mean()))
    return "\n".join([*lines, f"{'geometric mean':<{width}}  {'':>9}  {'':>9}  {mean:>6.2f}"])
