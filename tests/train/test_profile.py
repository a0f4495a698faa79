from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

import asr.train.profile as profiling
from asr.step.clock import Clock
from asr.step.feeder import StepBatch
from asr.step.learner import Learner

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def test_steps_that_are_measured_are_those_of_the_batch_scale(
    tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """κ = 1 holds at first, and is of no interest to who asks how fast κ = 2 is."""
    seen: list[tuple[float, float]] = []
    step = Learner.step

    def listen(self: Learner, batch: StepBatch, clock: Clock) -> Any:
        seen.append((batch.cut.scale, batch.unlabeled_seconds))
        return step(self, batch, clock)

    monkeypatch.setattr(Learner, "step", listen)
    config = tiny_corpus.config
    late = dataclasses.replace(config.scaling, start_hours=config.schedule.total_hours / 2)
    config = dataclasses.replace(config, batch_scale=2.0, scaling=late)
    table = profiling.profile_training(config, tiny_corpus.manifests, tiny_corpus.tokens, steps=2)
    assert {scale for scale, _ in seen} == {2.0}
    # Half of the steps are measured without labels and half with them.
    assert [seconds > 0 for _, seconds in seen] == [False] * (len(seen) // 2) + [True] * (len(seen) // 2)
    shares = [float(share) for share in re.findall(r"([\d.]+)%", table)]
    assert len(shares) == 2 * (len(profiling.PARTS) + 2)
    assert max(shares) <= 100
    assert re.search(r"a step with pseudo-labels takes [\d.]+ of a supervised one; ideal 1\.17", table)
