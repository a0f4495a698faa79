from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr.data.audio import AudioReader
from asr.data.batching import Stream
from asr.data.manifest import Manifest, Utterance
from asr.scaling.plan import Plan
from asr.train.feeder import Feeder
from asr.train.planner import Planner
from asr.train.rehearsal import largest_steps

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_no_batch_of_any_epoch_is_larger_or_longer_than_those_rehearsed(tiny_corpus: TinyCorpus, scale: float) -> None:
    batch = dataclasses.replace(tiny_corpus.config.batch, base_seconds=60.0, unit_seconds=40.0)
    config = dataclasses.replace(tiny_corpus.config, batch=batch, batch_scale=scale)
    plan = Plan(config)
    lengths = np.random.default_rng(0).gamma(4.0, 3.0, (2, 500)).clip(1.0, 36.0)
    manifests = [Manifest(Utterance(str(i), "/none", s) for i, s in enumerate(row.tolist())) for row in lengths]
    reader = AudioReader(1, 0)
    planner = Planner(config, plan, (manifests[0], manifests[1]))
    feeder = Feeder(planner, reader, 0, 1)
    reader.close()
    rehearsed = [work for step in largest_steps(plan, feeder) for work in step.work]
    cut = plan.at(0.0)
    for labeled, micros in ((True, (cut.whole, cut.labeled)), (False, (cut.unlabeled,))):
        shapes = [(len(w.batch.rows), w.batch.frames) for w in rehearsed if w.labeled is labeled]
        for micro in micros:
            stream = Stream(manifests[0 if labeled else 1].durations, planner.grid(micro.seconds), 0.1, seed=3)
            while stream.epoch < 3:
                for met in stream.take(10):
                    rows, frames = len(met.rows), met.frames
                    assert any(rows * frames <= n * longest for n, longest in shapes)
                    assert any(rows * frames**2 <= n * longest**2 for n, longest in shapes)
