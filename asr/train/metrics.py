"""What training measures, summed between two log lines, and the file it is logged to.

`metrics.jsonl` holds no wall-clock times: two runs with equal bits have equal files.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from asr.decode.measure import Measure
from asr.objective import signs
from asr.pseudo.filters import REASONS
from asr.score.rates import RateName
from asr.score.wer import ErrorCounts
from asr.step.result import StepResult
from asr.sums import addable
from asr.whole_file import write_whole

MOST_EMPTY = 0.5
RATES = (1 / 3, 3.0)
"""Share of empty labels, and tokens a second in multiples of the labeled audio's, beyond which labels have
collapsed."""
FEWEST = 50
"""Labels by which a collapse is told at least."""


@dataclass
class Totals:
    """Sums since the last log line, over this rank's part of the steps."""

    loss_labeled: float = 0.0
    loss_unlabeled: float = 0.0
    utterances_labeled: float = 0.0
    utterances_unlabeled: float = 0.0
    labels_made: float = 0.0
    labels_kept: float = 0.0
    labels_empty: float = 0.0
    label_tokens: float = 0.0
    label_seconds: float = 0.0
    label_log_prob: float = 0.0
    label_churn: float = 0.0
    labels_compared: float = 0.0
    dropped_short: float = 0.0
    dropped_confidence: float = 0.0
    dropped_share: float = 0.0
    dropped_rate: float = 0.0
    dropped_churn: float = 0.0
    dropped_agreement: float = 0.0
    label_errors: float = 0.0
    label_words: float = 0.0
    grad_norm: float = 0.0
    steps: float = 0.0
    clipped: float = 0.0
    skipped: float = 0.0
    sign_frames: float = 0.0
    loss: float = 0.0
    target_variance: float = 0.0
    prediction_variance: float = 0.0
    rank: float = 0.0
    """The last four over `sign_frames`; see `asr.objective.signs`."""

    def add(self, result: StepResult, errors: ErrorCounts) -> None:
        step = Totals()
        step._count(result, errors)
        for name, value in asdict(step).items():
            setattr(self, name, getattr(self, name) + addable(value))

    def _count(self, result: StepResult, errors: ErrorCounts) -> None:
        tally = result.tally
        self.loss_labeled += result.loss_labeled
        self.loss_unlabeled += result.loss_unlabeled
        self.utterances_labeled += result.utterances_labeled
        self.utterances_unlabeled += result.utterances_unlabeled
        self.labels_made += tally.made
        self.labels_kept += tally.kept
        self.labels_empty += tally.empty
        self.label_tokens += tally.tokens
        self.label_seconds += tally.seconds
        self.label_log_prob += tally.log_prob
        self.label_churn += tally.churn
        self.labels_compared += tally.compared
        for reason in REASONS:
            name = f"dropped_{reason}"
            setattr(self, name, getattr(self, name) + tally.dropped[reason])
        self.label_errors += errors.errors
        self.label_words += errors.reference_length
        self.grad_norm += result.grad_norm if result.moved else 0.0
        self.steps += 1
        self.clipped += result.moved and result.clipped
        self.skipped += not result.moved
        for name, value in zip(("sign_frames", *signs.NAMES), result.signs, strict=True):
            setattr(self, name, getattr(self, name) + value)

    def values(self) -> list[float]:
        return list(asdict(self).values())

    @classmethod
    def of(cls, values: Sequence[float]) -> Totals:
        """What `values` has put down, or did before there were signs of collapse."""
        names = [f.name for f in fields(cls)]
        if len(values) == names.index("sign_frames"):
            names = names[: len(values)]
        return cls(**dict(zip(names, values, strict=True)))

    def line(self, ranks: int, labeled_rate: float, rate: RateName) -> dict[str, Any]:
        """The quantities of a log line; None where there is nothing to divide by.

        Args:
            ranks: how many ranks' totals were added up; steps and gradient norms are the same on each.
            labeled_rate: tokens a second of labeled audio.
            rate: what errors of labels are counted in.
        """
        dropped = {reason: getattr(self, f"dropped_{reason}") for reason in REASONS}
        used = self.labels_kept + sum(dropped.values())
        return {
            "loss_labeled": _share(self.loss_labeled, self.utterances_labeled),
            "loss_unlabeled": _share(self.loss_unlabeled, self.utterances_unlabeled),
            "grad_norm": _share(self.grad_norm, self.steps - self.skipped),
            "clipped_steps": _share(self.clipped, self.steps - self.skipped),
            f"label_{rate}": _share(self.label_errors, self.label_words),
            "labels_kept": _share(self.labels_kept, used),
            "labels_empty": _share(self.labels_empty, self.labels_made),
            "labels_dropped": {reason: count / used for reason, count in dropped.items() if count},
            "label_rate": _share(self.label_tokens, self.label_seconds * labeled_rate),
            "label_confidence": _share(self.label_log_prob, self.labels_made),
            "label_churn": _share(self.label_churn, self.labels_compared),
            "skipped_steps": round(self.skipped / ranks),
            **self._signs(),
        }

    def _signs(self) -> dict[str, float]:
        if not self.sign_frames:
            return {}
        return {name: getattr(self, name) / self.sign_frames for name in signs.NAMES}

    def collapse(self, labeled_rate: float, warmed_up: bool) -> str:
        """How labels or representations have collapsed; nothing where they have not, or where too few of them tell.

        Args:
            labeled_rate: tokens a second of labeled audio.
            warmed_up: whether the learning rate is.
        """
        if self.sign_frames:
            return signs.collapsed(self._signs(), warmed_up)
        if self.labels_made < FEWEST:
            return ""
        empty = self.labels_empty / self.labels_made
        rate = self.label_tokens / max(self.label_seconds * labeled_rate, 1e-9)
        if empty > MOST_EMPTY:
            return f"pseudo-labels have collapsed: {empty:.0%} of them are empty"
        if not RATES[0] <= rate <= RATES[1]:
            return f"pseudo-labels have collapsed: they have {rate:.2g} times as many tokens a second as labeled audio"
        return ""


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def label_errors(labels: Sequence[tuple[int, str]], references: Mapping[int, str], measure: Measure) -> ErrorCounts:
    """Errors of pseudo-labels, by row, against true texts where there are any."""
    known = [(references[row], text) for row, text in labels if row in references]
    return measure.errors([r for r, _ in known], [t for _, t in known])


def _logged_by(line: str, step: int) -> bool:
    """Whether a line is whole and of a step up to this one. What a crash tore lies after the checkpoint."""
    try:
        return line.endswith("\n") and json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False


class MetricsFile:
    """One JSON object per line, appended. A resumed run goes back to where its checkpoint was."""

    def __init__(self, path: Path, step: int) -> None:
        """Cut off what was logged after `step`, and open the rest for appending."""
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.exists() else []
        kept = itertools.takewhile(lambda line: _logged_by(line, step), lines)
        write_whole(path, "".join(kept))
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """On disk before the checkpoint that counts on it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
