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
from asr.score.rates import RateName
from asr.score.wer import ErrorCounts
from asr.train.learner import StepResult


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
    label_errors: float = 0.0
    label_words: float = 0.0
    grad_norm: float = 0.0
    steps: float = 0.0
    skipped: float = 0.0

    def add(self, result: StepResult, errors: ErrorCounts) -> None:
        self.loss_labeled += result.loss_labeled
        self.loss_unlabeled += result.loss_unlabeled
        self.utterances_labeled += result.utterances_labeled
        self.utterances_unlabeled += result.utterances_unlabeled
        self.labels_made += result.tally.made
        self.labels_kept += result.tally.kept
        self.labels_empty += result.tally.empty
        self.label_errors += errors.errors
        self.label_words += errors.reference_length
        self.grad_norm += result.grad_norm if result.moved else 0.0
        self.steps += 1
        self.skipped += not result.moved

    def values(self) -> list[float]:
        return list(asdict(self).values())

    @classmethod
    def of(cls, values: Sequence[float]) -> Totals:
        return cls(**dict(zip((f.name for f in fields(cls)), values, strict=True)))

    def line(self, ranks: int, rate: RateName) -> dict[str, Any]:
        """The quantities of a log line; None where there is nothing to divide by.

        Args:
            ranks: how many ranks' totals were added up; steps and gradient norms are the same on each.
            rate: what errors of labels are counted in.
        """

        def share(part: float, whole: float) -> float | None:
            return part / whole if whole else None

        return {
            "loss_labeled": share(self.loss_labeled, self.utterances_labeled),
            "loss_unlabeled": share(self.loss_unlabeled, self.utterances_unlabeled),
            "grad_norm": share(self.grad_norm, self.steps - self.skipped),
            f"label_{rate}": share(self.label_errors, self.label_words),
            "labels_kept": share(self.labels_kept, self.labels_made),
            "labels_empty": share(self.labels_empty, self.labels_made),
            "skipped_steps": round(self.skipped / ranks),
        }


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
        aside = path.with_name(f".{path.name}.partial")
        aside.write_text("".join(kept), encoding="utf-8")
        aside.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """On disk before the checkpoint that counts on it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
