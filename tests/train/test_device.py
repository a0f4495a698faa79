"""The device's path through a step: without a card on PyTorch's fake tensors, with one for real."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.batching import MicroBatch
from asr.data.specaugment import specaugment
from asr.data.tokens import CharTokenizer
from asr.decode.greedy import pack_best
from asr.model.precision import compute_deterministically
from asr.objective import ctc, recognition
from asr.objective.recognition import Target
from asr.pseudo.label import Label
from asr.pseudo.pseudo_labels import PseudoLabels
from asr.pseudo.store import LabelStore
from asr.pseudo.teacher import move_teacher
from asr.scaling.plan import Plan
from asr.step.clock import Clock, When
from asr.step.feeder import Work
from asr.step.learner import Learner
from asr.step.planner import Positions
from asr.step.ranks import Ranks
from asr.train.corpus import read_data
from asr.train.rehearsal import rehearse
from asr.train.run import build

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

CUDA = torch.device("cuda", 0)


def move_to_fake_card(module: nn.Module) -> None:
    """What `to` would do, which refuses fake tensors."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                empty = torch.empty(parameter.shape, dtype=parameter.dtype, device=CUDA)
                part._parameters[name] = nn.Parameter(empty, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=CUDA)


@pytest.fixture
def fake_learner(tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> Learner:
    """On a card that does not exist; what it computes has shapes and devices and no values."""
    specaugment = dataclasses.replace(
        tiny_corpus.config.specaugment, frequency_warp=0.1, time_stretch=0.1, noise=0.9, echo=0.9
    )
    model = dataclasses.replace(tiny_corpus.config.model, layers=3, convolution=5, half_rate=1, intermediate=(1,))
    objective = dataclasses.replace(tiny_corpus.config.objective, consistency=0.2)
    config: Config = dataclasses.replace(tiny_corpus.config, specaugment=specaugment, model=model, objective=objective)
    texts = LabelStore(2, (Label(0, (1, 2)), Label(1, (3,))))
    tokenizer = CharTokenizer()
    pseudo = PseudoLabels(config.pseudo, tokenizer, np.ones(2), 10.0)
    made = Learner(config, Plan(config), tokenizer.size, texts, pseudo, Ranks(0, 1, torch.device("cpu")))
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    with FakeTensorMode():
        for module in (made.student, made.teacher, made.features):
            move_to_fake_card(module)
    made.ranks = Ranks(0, 1, CUDA)
    return made


def test_no_tensor_of_a_step_is_left_on_the_host_and_none_is_waited_for(
    fake_learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake tensor has no value: `.item()`, `.tolist()`, `.cpu()` in a hurry or `if tensor:` are errors here."""
    one = fake_learner
    losses: list[tuple[Tensor, Tensor]] = []

    def loss(log_probs: Tensor, lengths: Tensor, _: object) -> Tensor:
        losses.append((log_probs, lengths))
        return log_probs.sum()

    moved: list[bool] = []
    original = Tensor.to

    def pin(self: Tensor) -> Tensor:
        self.is_pinned_here = True  # type: ignore[attr-defined]
        return self

    def to(self: Tensor, *args: Any, **options: Any) -> Tensor:
        if self.device.type == "cpu" and CUDA in args:
            moved.append(getattr(self, "is_pinned_here", False) and options.get("non_blocking", False))
        return original(self, *args, **options)

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", to)
    # CTC has no fake counterpart.
    monkeypatch.setattr(recognition, "ctc_loss", loss)
    samples = [np.zeros(15_000, dtype=np.int16), np.zeros(9_000, dtype=np.int16)]
    work = Work(0, "text", MicroBatch(np.arange(2), 96), samples)
    # The mode must be the parameters' own.
    mode = next(one.student.parameters()).fake_mode  # type: ignore[attr-defined]
    with mode:
        features, frames = one.load(work)
        assert (features.device, frames.device, features.shape) == (CUDA, CUDA, (2, 96, 80))
        heard = one.teacher(features, frames)
        packed = pack_best(heard.log_probs, heard.lengths)
        assert (packed.device, packed.shape) == (CUDA, (2, 34))
        # Backward needs a driver; it runs where forward put its tensors.
        (cost,) = one._costs([work], [(features, frames)], [Target([[1, 2], [3]])], When(0, 0.0))
        assert cost.total.requires_grad
        # CTC is told lengths by the host, and need not fetch them.
        assert {(log_probs.device.type, lengths.device.type) for log_probs, lengths in losses} == {("cuda", "cpu")}
        # A copy of memory that may be paged out would be waited for.
        assert len(moved) > 6
        assert all(moved)
        move_teacher(one.teacher, one.student, 0.1)
        assert {p.device for p in one.teacher.parameters()} == {CUDA}


def test_the_check_finds_a_tensor_on_the_host_and_a_wait(fake_learner: Learner) -> None:
    mode = next(fake_learner.student.parameters()).fake_mode  # type: ignore[attr-defined]
    with mode:
        log_probs = torch.empty(2, 5, 29, device=CUDA)
        with pytest.raises(RuntimeError, match="device"):
            pack_best(log_probs, torch.tensor([3, 5]))
        lengths = torch.empty(2, dtype=torch.long, device=CUDA)
        with pytest.raises(Exception, match=r"local_scalar_dense|[Dd]ata-?[Dd]ependent"):
            pack_best(log_probs, lengths).sum().item()
        masked = specaugment(torch.empty(2, 96, 80, device=CUDA), torch.tensor([96, 50]), Config().specaugment, RNG)
        assert masked.device == CUDA


@pytest.mark.parametrize("deterministic", [False, True])
def test_where_every_bit_shall_be_the_same_ctc_is_the_host_s(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    devices: list[str] = []

    def loss(log_probs: Tensor, targets: Tensor, *lengths: Tensor, **_: object) -> Tensor:
        devices.extend(tensor.device.type for tensor in (log_probs, targets, *lengths))
        return log_probs.sum((0, 2))

    monkeypatch.setattr(ctc.F, "ctc_loss", loss)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        if deterministic:
            compute_deterministically()
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        with FakeTensorMode():
            log_probs = torch.empty(2, 5, 29, device=CUDA)
            assert ctc.ctc_loss(log_probs, torch.tensor([5, 3]), [[1, 2], [3]]).device == CUDA
    finally:
        torch.use_deterministic_algorithms(False)
    kind = "cpu" if deterministic else "cuda"
    assert devices == [kind, kind, "cpu", "cpu"]


RNG = np.random.default_rng(0)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("positions", ["rotary", "cape"])
def test_a_whole_step_on_a_gpu_moves_student_and_teacher(
    tiny_corpus: TinyCorpus, precision: str, positions: str
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here: the step was checked on fake tensors only, without CTC and the optimizer")
    base = tiny_corpus.config
    config = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, positions=positions),
        pseudo=dataclasses.replace(base.pseudo, start_hours=0.0),
        train=dataclasses.replace(base.train, precision=precision),
    )
    data, plan, ranks = read_data(config, tiny_corpus.manifests, tiny_corpus.tokens), Plan(config), Ranks(0, 1, CUDA)
    reader = AudioReader(1, 0)
    try:
        machinery = build(plan, data, reader, ranks)
        made, feeder = machinery.learner, machinery.feeder
        rehearse(plan, made, feeder)
        student, teacher = ([p.detach().clone() for p in m.parameters()] for m in (made.student, made.teacher))
        clock, moved = Clock(config.batch.base_seconds), 0
        for _, batch in zip(range(12), feeder.feed(clock, Positions()), strict=False):
            result = made.step(batch, clock)
            clock.tick(batch.cut.scale, result.gain)
            # fp16 begins with a scale that is too large, and skips steps until it has found one.
            moved += result.moved
            assert result.tally.made > 0
            assert not result.moved or np.isfinite(result.loss_labeled)
    finally:
        reader.close()
    assert moved >= 3
    for before, model in ((student, made.student), (teacher, made.teacher)):
        assert any(not torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))
        assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())
