"""Which labels are trained on. Pure functions of rows: they can be run again without decoding."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from asr.config import PseudoConfig
from asr.pseudo.label import Label
from asr.schedule import value_at

REASONS = ("short", "confidence", "share", "rate", "churn", "agreement")
"""Why labels are dropped; each label for the first that holds."""


@dataclass(frozen=True)
class Bounds:
    """What a label must keep to at an hour; a bound that is not set is None."""

    min_tokens: int
    min_mean_log_prob: float | None = None
    quantile: float | None = None
    """Mean log-probability below which a label is not among the best."""
    length_rate: tuple[float, float] | None = None
    """Tokens a second."""
    max_churn: float | None = None
    min_agreement: float | None = None


def dropped_for(label: Label, seconds: float, bounds: Bounds) -> str | None:
    """Which of `REASONS` a label of `seconds` of audio is dropped for; None: it is kept.

    An empty label is always dropped: CTC would learn silence from it. A number that a label lacks (NaN) drops it for
    nothing.
    """
    rate = len(label.tokens) / max(seconds, 1e-3)
    holds = {
        "short": len(label.tokens) < max(bounds.min_tokens, 1),
        "confidence": bounds.min_mean_log_prob is not None and label.mean_log_prob < bounds.min_mean_log_prob,
        "share": bounds.quantile is not None and label.mean_log_prob < bounds.quantile,
        "rate": bounds.length_rate is not None and not bounds.length_rate[0] <= rate <= bounds.length_rate[1],
        "churn": bounds.max_churn is not None and label.churn > bounds.max_churn,
        "agreement": bounds.min_agreement is not None and label.agreement < bounds.min_agreement,
    }
    return next((reason for reason in REASONS if holds[reason]), None)


RECENT = 2000
"""Labels that `best_share` is a share of: the newest ones."""
ENOUGH = 50
"""Of fewer labels none are told from the rest."""


class LabelFilter:
    """The bounds at an hour, from the settings and the labels of late."""

    def __init__(self, settings: PseudoConfig, labeled_rate: float) -> None:
        """`labeled_rate` is the labeled audio's number of tokens a second."""
        self._settings, self._labeled_rate = settings, labeled_rate
        self.recent: deque[float] = deque(maxlen=RECENT)
        """Mean log-probabilities of the newest labels; with `best_share` only."""

    @property
    def looks_back(self) -> bool:
        """Whether labels are compared with those of late, which all ranks must then know."""
        return self._settings.best_share is not None

    def see(self, labels: Iterable[Label]) -> None:
        """Take labels up among those of late."""
        if self.looks_back:
            self.recent.extend(label.mean_log_prob for label in labels if label.tokens)

    def bounds(self, hours: float, known: Collection[float] | None = None) -> Bounds:
        """The bounds at an hour of audio; `known` are mean log-probabilities in place of those of late."""
        settings, quantile = self._settings, None
        known = self.recent if known is None else known
        if settings.best_share is not None and len(known) >= ENOUGH:
            quantile = float(np.quantile(list(known), 1 - value_at(settings.best_share, hours)))
        least = settings.min_mean_log_prob
        rate = settings.length_rate
        return Bounds(
            min_tokens=settings.min_tokens,
            min_mean_log_prob=None if least is None else value_at(least, hours),
            quantile=quantile,
            length_rate=None if rate is None else (rate[0] * self._labeled_rate, rate[1] * self._labeled_rate),
            max_churn=settings.max_churn,
            min_agreement=settings.min_agreement,
        )
