"""How often a step has the host wait for its device: as often with many micro-batches as with one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from asr.data.audio import AudioReader
from asr.model.arrival import Arrival
from asr.scaling.plan import Plan
from asr.step.clock import Clock
from asr.step.planner import Positions
from asr.step.ranks import Ranks
from asr.train.corpus import read_data
from asr.train.run import build

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

WAITING = ("item", "tolist", "nonzero", "__bool__", "__int__", "__float__", "__index__")
"""Methods of a tensor that a device must have come to before they return."""


class Reads(TorchDispatchMode):
    """Counts operations that fetch a number, or a number of elements."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = function.overloadpacket.__name__
        self.found[name] += name in self.NAMES
        return function(*args, **(kwargs or {}))


def counted(name: str, method: Callable[..., Any], found: Counter[str]) -> Callable[..., Any]:
    def counting(self: Any, *arguments: Any) -> Any:
        found[name] += 1
        return method(self, *arguments)

    return counting


def waits(corpus: TinyCorpus, scale: float, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Counter[str]]:
    """Micro-batches of a step of teacher's labels, and what was waited for in it."""
    config = dataclasses.replace(
        corpus.config,
        batch_scale=scale,
        pseudo=dataclasses.replace(corpus.config.pseudo, start_hours=0.0),
        specaugment=dataclasses.replace(corpus.config.specaugment, frequency_warp=0.1),
        objective=dataclasses.replace(corpus.config.objective, consistency=0.2, soft_share=0.2),
    )
    data, plan = read_data(config, corpus.manifests, corpus.tokens), Plan(config)
    reader = AudioReader(1, 0)
    try:
        machinery = build(plan, data, reader, Ranks(0, 1, torch.device("cpu")))
        clock = Clock(config.batch.base_seconds)
        batches = machinery.feeder.feed(clock, Positions(started=True))
        machinery.learner.step(next(batches), clock)
        clock.tick(scale)
        batch = next(batches)
        with monkeypatch.context() as patch, Reads() as reads:
            for name in WAITING:
                patch.setattr(Tensor, name, counted(name, getattr(Tensor, name), reads.found))
            patch.setattr(Arrival, "read", counted("arrival", Arrival.read, reads.found))
            result = machinery.learner.step(batch, clock)
    finally:
        reader.close()
    assert result.tally.made > 0
    return len(batch.work), +reads.found


def test_a_step_waits_as_often_with_many_micro_batches_as_with_few(
    tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    (few, once), (many, again) = (waits(tiny_corpus, scale, monkeypatch) for scale in (1.0, 4.0))
    assert many >= 3 * few
    # The labels' arrival, and losses with the gradient's norm.
    assert once == again == {"arrival": 1, "tolist": 1}


def test_what_is_waited_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, Reads() as reads:
        for name in WAITING:
            patch.setattr(Tensor, name, counted(name, getattr(Tensor, name), reads.found))
        one = torch.ones(2)
        assert float(one.sum()) == 2
        assert one.sum() > 1
        one[one > np.float64(0)].tolist()
    assert reads.found["__float__"] == reads.found["__bool__"] == reads.found["tolist"] == 1
    assert reads.found["_local_scalar_dense"] + reads.found["nonzero"] >= 2
