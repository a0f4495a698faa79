"""What goes wrong while training, in real processes wherever another process or the system has a part in it."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish, no_file_over, no_memory_over, signal_in, start  # type: ignore[import-not-found]
from torch import Tensor, nn

from asr.checkpoint.checkpoint import list_checkpoints, load_newest
from asr.data.audio import AudioReader
from asr.data.manifest import Manifest, read_manifest
from asr.errors import UserError
from asr.objective import recognition
from asr.step import learner
from asr.step.clock import Clock
from asr.step.feeder import StepBatch
from asr.step.result import StepResult
from asr.train import keeper
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

SECONDS = 60.0
"""In which a run must have ended after a signal, or after another rank's death. It is tiny, the machine is busy."""


def final(run_dir: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """State, all tensors and metrics at the end."""
    checkpoint = load_newest(run_dir / "checkpoints")
    assert checkpoint is not None
    tensors = {f"{kind} {name}": t for kind, named in checkpoint.tensors.items() for name, t in named.items()}
    return checkpoint.state, tensors, (run_dir / "metrics.jsonl").read_text()


def assert_same_bits(one: Path, two: Path) -> None:
    (state, tensors, metrics), (other_state, other_tensors, other_metrics) = final(one), final(two)
    assert (state, metrics) == (other_state, other_metrics)
    assert tensors.keys() == other_tensors.keys()
    assert all(t.numpy().tobytes() == other_tensors[name].numpy().tobytes() for name, t in tensors.items())


@pytest.fixture(scope="module")
def whole(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by two ranks that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    finish(tiny_corpus, folder, 2)
    return folder


@pytest.mark.parametrize(
    ("number", "function", "line"),
    [
        (signal.SIGUSR1, "_complete", 5),
        (signal.SIGTERM, "Decoder.decode", 9),
    ],
)
def test_a_signal_to_one_rank_stops_all_with_a_checkpoint_and_exit_code_75(
    tiny_corpus: TinyCorpus, whole: Path, tmp_path: Path, number: int, function: str, line: int
) -> None:
    training = start(tiny_corpus, tmp_path, 2, {0: signal_in(number, function, line)})
    assert training.wait(SECONDS) == [75, 75], training.said()
    assert "a checkpoint is saved" in training.said()
    steps = [int(path.name.removeprefix("step-")) for path in list_checkpoints(tmp_path / "checkpoints")]
    # The evaluation is step 4's, and ranks hear of the signal when the next step is over. The first checkpoint is
    # written while training goes on.
    assert steps[0] == 3
    assert steps[1:] == [5] if function == "Decoder.decode" else len(steps) == 2
    finish(tiny_corpus, tmp_path, 2)
    assert_same_bits(whole, tmp_path)


def test_a_signal_before_the_first_step_stops_without_one(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    training = start(tiny_corpus, tmp_path, 1, {0: signal_in(signal.SIGTERM, "read_data", 2)})
    assert training.wait(SECONDS) == [75]
    assert list_checkpoints(tmp_path / "checkpoints") == []


def test_when_a_rank_dies_the_others_exit_and_a_rerun_ends_with_the_same_bits(
    tiny_corpus: TinyCorpus, whole: Path, tmp_path: Path
) -> None:
    training = start(tiny_corpus, tmp_path, 2, {1: signal_in(signal.SIGKILL, "Learner._move", 100)})
    codes = training.wait(SECONDS)
    assert codes[1] == -signal.SIGKILL
    assert codes[0] not in (None, 0)
    finish(tiny_corpus, tmp_path, 2)
    assert_same_bits(whole, tmp_path)


def _disturb_teacher() -> None:
    moved = learner.move_teacher

    def move(teacher: nn.Module, student: nn.Module, rate: float) -> None:
        moved(teacher, student, rate * (1 + 1e-6))

    learner.move_teacher = move


def test_a_teacher_that_differs_between_ranks_is_found_at_the_checkpoint_and_not_saved(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    training = start(tiny_corpus, tmp_path, 2, {1: _disturb_teacher})
    assert training.wait(SECONDS) == [2, 2]
    assert "step 3: teachers differ between ranks" in training.said()
    assert list_checkpoints(tmp_path / "checkpoints") == []


def _see_no_checkpoint() -> None:
    keeper.load_newest = lambda _: None


def test_ranks_that_see_different_checkpoints_do_not_train(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    finish(tiny_corpus, tmp_path, stop_after=3)
    training = start(tiny_corpus, tmp_path, 2, {1: _see_no_checkpoint})
    assert training.wait(SECONDS) == [2, 2]
    assert "must be the same one" in training.said()


def _spoil_a_loss() -> None:
    right, calls = recognition.ctc_loss, 0

    def loss(log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        nonlocal calls
        # A rank without an utterance has a loss that nothing follows from. The first two are the rehearsal's.
        calls += any(targets)
        return right(log_probs, lengths, targets) * (float("nan") if calls == 8 else 1.0)

    recognition.ctc_loss = loss


def test_a_loss_that_is_not_finite_on_one_rank_is_skipped_by_all(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    training = start(tiny_corpus, tmp_path, 2, {1: _spoil_a_loss})
    # Teachers would differ at the next checkpoint, had one of them moved.
    assert training.wait(90) == [0, 0], training.said()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum(line.get("skipped_steps", 0) for line in lines) == 1
    (told,) = [line for line in training.said().splitlines() if "step skipped" in line]
    manifests = [read_manifest(tiny_corpus.manifests / f"{kind}.jsonl") for kind in ("labeled", "unlabeled")]
    named = set(told.partition("utterances ")[2].split(", "))
    assert named
    assert named <= {u.id for m in manifests for u in m}


def test_steps_that_are_skipped_move_nothing_and_are_bounded(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(log_probs: Tensor, *_: object) -> Tensor:
        return log_probs.sum() * float("nan")

    made: list[learner.Learner] = []
    begin = learner.Learner.__init__

    def remember(self: learner.Learner, *arguments: Any) -> None:
        begin(self, *arguments)
        made.append(self)
        self.start = {k: t.clone() for k, t in self.student.state_dict().items()}  # type: ignore[attr-defined]

    monkeypatch.setattr(recognition, "ctc_loss", never)
    monkeypatch.setattr(learner.Learner, "__init__", remember)
    settings = dataclasses.replace(tiny_corpus.config.train, max_skipped_steps=1)
    config = dataclasses.replace(tiny_corpus.config, train=settings)
    with pytest.raises(UserError, match=r"step 2: 2 steps in a row .* lower optimizer\.lr"):
        train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    for model in (made[0].student, made[0].teacher):
        assert all(torch.equal(tensor, made[0].start[k]) for k, tensor in model.state_dict().items())  # type: ignore[attr-defined]


def test_steps_that_are_skipped_are_none_of_those_that_adam_s_moments_have_seen(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[learner.Learner] = []
    begin, go, right = learner.Learner.__init__, learner.Learner.step, recognition.ctc_loss
    steps: list[int] = []

    def remember(self: learner.Learner, *arguments: Any) -> None:
        begin(self, *arguments)
        made.append(self)

    def note(self: learner.Learner, batch: StepBatch, clock: Clock) -> StepResult:
        steps.append(clock.steps)
        return go(self, batch, clock)

    def late(log_probs: Tensor, *rest: Any) -> Tensor:
        return right(log_probs, *rest) * (float("nan") if steps and steps[-1] < 2 else 1.0)

    monkeypatch.setattr(recognition, "ctc_loss", late)
    monkeypatch.setattr(learner.Learner, "__init__", remember)
    monkeypatch.setattr(learner.Learner, "step", note)
    base = tiny_corpus.config
    # κ comes later, so that the count of steps is set at each of them.
    scaling = dataclasses.replace(base.scaling, start_hours=base.schedule.total_hours / 2)
    optimizer = dataclasses.replace(base.optimizer, kind="adam")
    config = dataclasses.replace(base, batch_scale=2.0, scaling=scaling, optimizer=optimizer)
    for stop in (4, 5):
        train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=stop)
        moved = made[-1].taken.head
        assert moved == stop - 2
        assert {float(state["step"]) for state in made[-1].optimizer.state.values()} == {moved}


def test_a_full_disk_is_told_and_the_checkpoint_before_is_gone_on_from(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    finish(tiny_corpus, tmp_path, stop_after=3)
    training = start(tiny_corpus, tmp_path, 1, {0: no_file_over(20_000)})
    assert training.wait(SECONDS) == [2]
    assert "cannot write the checkpoint" in training.said()
    assert "the one before it is intact" in training.said()
    training = start(tiny_corpus, tmp_path, stop_after=4)
    assert training.wait(SECONDS) == [0]
    assert "going on from step 3" in training.said()


def test_too_little_memory_is_told_before_the_first_step(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    model = dataclasses.replace(tiny_corpus.config.model, width=256, feedforward=8192, layers=4)
    corpus = dataclasses.replace(tiny_corpus, config=dataclasses.replace(tiny_corpus.config, model=model))
    # Enough for student and teacher, 140 MB; not for gradients and Adam's moments besides.
    training = start(corpus, tmp_path, 1, {0: no_memory_over(400_000_000)})
    assert training.wait(SECONDS) == [2], training.said()
    said = training.said()
    assert "before the first step" in said
    assert "lower batch.max_device_seconds (now 6.7;" in said
    assert not (tmp_path / "metrics.jsonl").read_text()


def test_too_little_memory_in_a_later_step_is_told_too(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(learner, "move_teacher", full)
    with pytest.raises(UserError, match=r"out of memory at step 1: lower batch\.max_device_seconds .*Tried"):
        train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)


def test_a_checkpoint_of_another_model_is_refused(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=3)
    kept = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    assert tmp_path / "config.yaml" in kept
    for change, told in (({"width": 64}, "width 32 → 64"), ({"heads": 4}, "heads 2 → 4")):
        other = dataclasses.replace(tiny_corpus.config, model=dataclasses.replace(tiny_corpus.config.model, **change))
        with pytest.raises(UserError, match=rf"step 3: was trained with other settings \(model.{told}\)"):
            train(other, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
        # Weights of the same shapes would be used with other settings than they were trained with.
        assert {path: path.read_bytes() for path in kept} == kept


def test_a_crash_while_reading_names_the_file(tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("asr.data.audio.read_samples", crash)
    manifest = read_manifest(tiny_corpus.manifests / "labeled.jsonl")
    reader = AudioReader(1, 100)
    with pytest.raises(RuntimeError, match=r"a-3\.flac: reading utterance 'a-3' crashed"):
        reader.gather(reader.submit(manifest, [3]))
    reader.close()


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, tiny_corpus: TinyCorpus) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    utterance = next(iter(read_manifest(tiny_corpus.manifests / "labeled.jsonl")))
    paths = (str(tmp_path / "pipe"), "/dev/zero", "-", str(tmp_path))
    manifest = Manifest([dataclasses.replace(utterance, id=str(i), audio_filepath=p) for i, p in enumerate(paths)])
    reader = AudioReader(1, 100)
    begun = time.monotonic()
    assert [len(s) for s in reader.gather(reader.submit(manifest, range(len(paths))))] == [0, 0, 0, 0]
    reader.close()
    assert len(reader.errors) == 4
    assert time.monotonic() - begun < 5
