"""AdaScale (Johnson et al., ICML 2020): how many base steps a step of S base batches is worth.

The paper estimates the gradient's noise from S equal base batches. Here a step is cut into groups that hold
unequal seconds of audio, so all is counted per second: a group of n seconds has the mean gradient plus noise
of variance v / n. With equal groups of one base batch each, the formulas are the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Noise:
    """Of one base batch's gradient. variance: σ², the trace of its covariance. mean: μ², its expectation's square."""

    variance: float
    mean: float

    def gain(self, scale: float) -> float:
        """r = (σ² + μ²) / (σ²/S + μ²), between 1 and S."""
        return (self.variance + self.mean) / (self.variance / scale + self.mean)


def estimate_noise(weighted: float, groups: int, seconds: float, squared_norm: float, base_seconds: float) -> Noise:
    """Unbiased estimates of σ² and μ², not yet clipped.

    Args:
        weighted: Σ nᵢ‖gᵢ‖² over the groups: seconds of audio times squared norm of the gradient per second.
        groups: how many there are.
        seconds: audio in all of them, N.
        squared_norm: ‖ḡ‖² of the mean gradient, Σ nᵢgᵢ / N.
        base_seconds: audio in a base batch.

    Raises:
        ValueError: fewer than two groups.
    """
    if groups < 2:
        raise ValueError("noise shows only between groups: at least two are needed")
    per_second = (weighted - seconds * squared_norm) / (groups - 1)
    return Noise(per_second / base_seconds, squared_norm - per_second / seconds)


@dataclass
class Smoothed:
    """Averages of both estimates, clipped first (§3.3 of the paper).

    The past weighs θ = max(1 − S/1000, 0); while there are fewer than 1/(1 − θ) samples, all of them weigh the same.
    """

    variance: float = 0.0
    mean: float = 0.0
    steps: int = 0

    def gain(self, scale: float) -> float:
        """r of the estimates so far; 1 before the first."""
        return Noise(self.variance, self.mean).gain(scale) if self.steps else 1.0

    def add(self, noise: Noise, scale: float) -> None:
        keep = 1 - max(min(scale / 1000, 1.0), 1 / (self.steps + 1))
        self.variance = keep * self.variance + (1 - keep) * max(noise.variance, SMALLEST_VARIANCE)
        self.mean = keep * self.mean + (1 - keep) * max(noise.mean, 0.0)
        self.steps += 1
