"""Linear discriminant analysis: which class a vector is of, by a rule that is solved for and not searched.

Classes are Gaussians of one covariance Σ: log p(x | c) = x·Σ⁻¹μ_c − μ_c·Σ⁻¹μ_c / 2 + what all classes have in common
(Fisher, "The use of multiple measurements in taxonomic problems", 1936).
"""

from __future__ import annotations

import torch
from torch import Tensor


class Discriminant:
    def __init__(self, vectors: Tensor, classes: Tensor, count: int, shrinkage: float = 1e-2) -> None:
        """
        Args:
            vectors: `(vectors, width)`.
            classes: of each vector, `(vectors,)`; one that has none is never found.
            count: of classes.
            shrinkage: share of the mean variance that is added to every direction's.
        """
        vectors = vectors.double()
        width = vectors.shape[1]
        members = torch.bincount(classes, minlength=count).double()
        sums = torch.zeros(count, width, dtype=torch.double).index_add_(0, classes, vectors)
        means = sums / members.clamp(min=1)[:, None]
        centred = vectors - means[classes]
        covariance = centred.T @ centred / max(1, len(vectors))
        # Directions in which nothing varies would have an infinite say.
        floor = shrinkage * covariance.diagonal().mean() + 1e-12
        self._weights = torch.linalg.solve(
            covariance + floor * torch.eye(width, dtype=torch.double), means.T.contiguous()
        )
        self._offsets = -0.5 * (means * self._weights.T).sum(1)
        self._offsets[members == 0] = -torch.inf
        self._priors = (members / members.sum().clamp(min=1)).log()

    def likelihoods(self, vectors: Tensor) -> Tensor:
        """Of each class, as logarithms less what all have in common, `(vectors, classes)`, from `(vectors, width)`."""
        scores: Tensor = vectors.double() @ self._weights + self._offsets
        return scores

    def classify(self, vectors: Tensor) -> Tensor:
        """The likeliest class of each vector, `(vectors,)`, with how often each class was seen."""
        scores = self.likelihoods(vectors)
        return torch.where(scores.isinf(), scores, scores + self._priors).argmax(1)
