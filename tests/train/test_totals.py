from __future__ import annotations

import numpy as np

from asr.score.wer import ErrorCounts
from asr.step.result import StepResult
from asr.train.metrics import Totals


def test_totals_do_not_depend_on_how_ranks_and_stops_have_them_added_up() -> None:
    rng = np.random.default_rng(0)
    each = [StepResult(loss_labeled=float(loss), loss_unlabeled=float(loss) / 7) for loss in rng.random(40) * 1e4]
    at_once, parts = Totals(), [Totals() for _ in range(4)]
    for place, result in enumerate(each):
        at_once.add(result, ErrorCounts())
        parts[place % 4].add(result, ErrorCounts())
    added = [sum(values) for values in zip(*(part.values() for part in parts), strict=True)]
    assert added == at_once.values()
    assert abs(at_once.loss_labeled - sum(result.loss_labeled for result in each)) < 1e-4
