from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.batching import Stream
from asr.data.manifest import Manifest, Utterance
from asr.model.encoder import Encoder, Regularizer
from asr.scaling.plan import Plan
from asr.schedule import Schedule
from asr.step.clock import Clock
from asr.step.feeder import Feeder
from asr.step.planner import Planner, Positions
from asr.step.ranks import Ranks
from asr.train.corpus import read_data
from asr.train.rehearsal import held_frames, largest_steps, rehearse
from asr.train.run import build

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_no_batch_of_any_epoch_is_larger_or_longer_than_those_rehearsed(tiny_corpus: TinyCorpus, scale: float) -> None:
    batch = dataclasses.replace(tiny_corpus.config.batch, base_seconds=60.0, unit_seconds=40.0)
    schedule = dataclasses.replace(tiny_corpus.config.schedule, total_hours=1.0)
    config = dataclasses.replace(tiny_corpus.config, batch=batch, batch_scale=scale, schedule=schedule)
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


def test_the_largest_unlabeled_batch_is_rehearsed_however_late_its_share_comes(tiny_corpus: TinyCorpus) -> None:
    def rehearsed(share: Schedule) -> list[tuple[str, int, int]]:
        pseudo = dataclasses.replace(tiny_corpus.config.pseudo, labels="teacher", unlabeled_share=share)
        config = dataclasses.replace(tiny_corpus.config, pseudo=pseudo)
        plan = Plan(config)
        lengths = np.random.default_rng(0).gamma(4.0, 0.5, 500).clip(1.0, 6.0)
        manifest = Manifest([Utterance(str(i), "/none", s) for i, s in enumerate(lengths.tolist())])
        reader = AudioReader(1, 0)
        feeder = Feeder(Planner(config, plan, (manifest, manifest)), reader, 0, 1)
        reader.close()
        works = [work for step in largest_steps(plan, feeder) for work in step.work]
        return [(w.use, len(w.batch.rows), w.batch.frames) for w in works]

    late = rehearsed(((0.0, 0.0), (3.0, 0.0), (3.0, 0.9)))
    assert [w for w in late if w[0] == "now"] == [w for w in rehearsed(0.9) if w[0] == "now"]
    assert max(w[1:] for w in rehearsed(((0.0, 0.2), (3.0, 0.2), (3.0, 0.9))) if w[0] == "now") == max(
        w[1:] for w in late if w[0] == "now"
    )


def test_no_step_holds_more_features_than_are_held_in_the_rehearsal(tiny_corpus: TinyCorpus) -> None:
    for scale in (0.5, 4.0):
        pseudo = dataclasses.replace(tiny_corpus.config.pseudo, cache_hours=1.0, cache_turnover=1.0)
        config = dataclasses.replace(tiny_corpus.config, batch_scale=scale, pseudo=pseudo)
        plan = Plan(config)
        lengths = np.random.default_rng(0).gamma(4.0, 0.5, (2, 2000)).clip(1.0, 6.0)
        manifests = [Manifest(Utterance(str(i), "/none", s) for i, s in enumerate(row.tolist())) for row in lengths]
        planner = Planner(config, plan, (manifests[0], manifests[1]))
        for started in (False, True):
            steps = planner.steps(Clock(config.batch.base_seconds), Positions(started=started), lambda: 1.0)
            found = [
                sum(len(b.rows) * b.frames for _, b in step.batches) for step, _ in zip(steps, range(30), strict=False)
            ]
            assert max(found) <= held_frames(plan, 1) <= 4 * max(found)


def test_the_rehearsal_skips_no_block_hears_all_views_and_stretches_time_the_most(
    tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_corpus.config
    config: Config = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, layerdrop=0.9, dropout=((0.0, 0.0), (1.0, 0.3))),
        objective=dataclasses.replace(base.objective, consistency=((0.0, 0.0), (1.0, 0.2), (1.0, 0.0))),
        specaugment=dataclasses.replace(base.specaugment, time_stretch=0.5, start_hours=2.0),
    )
    plan, ranks = Plan(config), Ranks(0, 1, torch.device("cpu"))
    reader = AudioReader(1, 0)
    machinery = build(plan, read_data(config, tiny_corpus.manifests, tiny_corpus.tokens), reader, ranks)
    reader.close()
    forward, heard = Encoder.forward, []

    def recorded(self: Encoder, features: Tensor, frames: Tensor, regularizer: Regularizer | None = None) -> object:
        if regularizer is not None:
            heard.append((features.shape[:2], regularizer.dropout, list(self._skipped(regularizer))))
        return forward(self, features, frames, regularizer)

    monkeypatch.setattr(Encoder, "forward", recorded)
    rehearse(plan, machinery.learner, machinery.feeder)
    works = [work for step in largest_steps(plan, machinery.feeder) for work in step.work]
    assert len(heard) == len(works)
    for work, ((utterances, frames), dropout, skipped) in zip(works, heard, strict=True):
        assert utterances == 2 * len(work.batch.rows)
        assert frames >= 1.45 * work.batch.frames
        assert (dropout, skipped) == (0.3, [])
