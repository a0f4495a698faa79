"""Runs of audio alone: they are as exact as any other run, and what they learn is handed on."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from processes import finish, signal_in, start  # type: ignore[import-not-found]
from test_kill import outcome  # type: ignore[import-not-found]

from asr.checkpoint.checkpoint import load_checkpoint, load_newest
from asr.config import Config
from asr.errors import UserError
from asr.recognizer.trained import find_encoder, find_trained
from asr.step import learner
from asr.train.initial import Initial
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

KINDS = ("masked", "views")
STEP = 12.0 / 3600


def of(corpus: TinyCorpus, kind: str, **train_settings: Any) -> TinyCorpus:
    """Six steps of two micro-batches or three, with all that is random."""
    config = corpus.config
    changed = {
        "pseudo": dataclasses.replace(config.pseudo, labels="none"),
        "objective": dataclasses.replace(
            config.objective, kind=kind, top_blocks=2, mask_share=((0.0, 0.3), (0.02, 0.6))
        ),
        "specaugment": dataclasses.replace(config.specaugment, frequency_warp=0.1),
        # Else gradients that are 0 but for rounding make steps as full as any other's.
        "optimizer": dataclasses.replace(config.optimizer, eps=1e-3),
        "teacher": dataclasses.replace(config.teacher, momentum=((0.0, 0.8), (0.02, 0.95))),
        "schedule": dataclasses.replace(config.schedule, total_hours=6 * STEP),
        "train": dataclasses.replace(
            config.train, evaluate_hours=6 * STEP, checkpoint_hours=2 * STEP, keep_last=3, **train_settings
        ),
    }
    return dataclasses.replace(corpus, config=dataclasses.replace(config, **changed))


def lines(run_dir: Path, kind: str = "train") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_killed_it_ends_with_the_same_bits(tiny_corpus: TinyCorpus, tmp_path: Path, kind: str) -> None:
    corpus = of(tiny_corpus, kind)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "whole")
    expected = outcome(tmp_path / "whole")
    logged = lines(tmp_path / "whole")
    assert all(line["loss"] > 0 and line["target_variance"] > 0.01 and line["rank"] > 1.5 for line in logged)
    assert logged[0]["momentum"] < logged[-1]["momentum"]
    (probed,) = lines(tmp_path / "whole", "dev")
    assert probed["teacher"]["dev"].keys() == probed["student"]["dev"].keys() == {"fer"}
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "parts", stop_after=3)
    # In a step, where a checkpoint is all but there, and in the probe.
    places = {"masked": [("Learner._costs", 30), ("_complete", 20)], "views": [("likeliest_path", 200)]}
    for function, line in places[kind]:
        training = start(corpus, tmp_path / "parts", 1, {0: signal_in(signal.SIGKILL, function, line)})
        assert training.wait() == [-signal.SIGKILL], training.said()
    finish(corpus, tmp_path / "parts")
    found = outcome(tmp_path / "parts")
    assert [name for name in expected | found if expected.get(name) != found.get(name)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_rank_two_and_two_that_share_the_model_agree_and_go_on_from_each_other(
    tiny_corpus: TinyCorpus, tmp_path: Path, kind: str
) -> None:
    # Some micro-batches are cut between ranks, which draw their dropout each for itself.
    model = dataclasses.replace(tiny_corpus.config.model, dropout=0.0)
    tiny_corpus = dataclasses.replace(tiny_corpus, config=dataclasses.replace(tiny_corpus.config, model=model))
    whole, sharded = of(tiny_corpus, kind), of(tiny_corpus, kind, engine="fsdp")
    train(whole.config, whole.manifests, whole.tokens, tmp_path / "one")
    finish(whole, tmp_path / "two", 2)
    finish(sharded, tmp_path / "fsdp", 2, stop_after=5)
    shutil.copytree(tmp_path / "fsdp", tmp_path / "then one", symlinks=True)
    finish(sharded, tmp_path / "fsdp", 2)
    train(whole.config, whole.manifests, whole.tokens, tmp_path / "then one")
    one = load_newest(tmp_path / "one" / "checkpoints")
    assert one is not None
    assert "head.weight" not in one.tensors["student"]
    for name in ("two", "fsdp", "then one"):
        other = load_newest(tmp_path / name / "checkpoints")
        assert other is not None
        assert other.tensors.keys() == one.tensors.keys()
        for file in ("student", "teacher", "student_heads", "teacher_heads"):
            for key, tensor in one.tensors[file].items():
                torch.testing.assert_close(other.tensors[file][key], tensor, rtol=1e-3, atol=2e-5, msg=f"{name} {key}")
        for line, other_line in zip(lines(tmp_path / "one"), lines(tmp_path / name), strict=True):
            # Variances are those of frames that are together.
            for key, rel in (
                ("loss", 1e-2),
                ("grad_norm", 1e-2),
                ("target_variance", 0.1),
                ("prediction_variance", 0.1),
            ):
                assert other_line[key] == pytest.approx(line[key], rel=rel), (name, key)


def test_at_another_batch_scale_every_schedule_is_at_the_same_hour_of_audio(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    corpus = of(tiny_corpus, "masked")
    train(dataclasses.replace(corpus.config, batch_scale=2.0), corpus.manifests, corpus.tokens, tmp_path)
    (first, second, last) = lines(tmp_path)
    assert [line["step"] for line in (first, second, last)] == [1, 2, 3]
    # ρ is read at the middle of a step, and taken to the power of κ: at hour 1 of 6 it is 0.825.
    assert first["momentum"] == pytest.approx(0.825**2, rel=1e-3)
    assert last["momentum"] == pytest.approx(0.925**2, rel=1e-3)
    rows = {row["name"]: row for row in json.loads((tmp_path / "plan.json").read_text())["rows"]}
    found = {name: (row["base"], *row["scaled"]) for name, row in rows.items()}
    assert found["teacher momentum ρ, at 0 h"] == pytest.approx((0.8, 0.64))
    assert found["teacher momentum ρ, at 0.02 h"] == pytest.approx((0.95, 0.9025))
    assert found["share that is masked, at 0 h"] == (0.3, 0.3)
    assert found["share that is masked, at 0.02 h"] == (0.6, 0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_teacher_that_has_collapsed_stops_training_with_a_checkpoint_or_is_warned_of(
    tiny_corpus: TinyCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    @torch.no_grad()
    def numb(teacher: torch.nn.Module, student: torch.nn.Module, rate: float) -> None:  # noqa: ARG001
        """All frames sound alike to it."""
        for parameter in teacher.parameters():
            parameter.zero_()

    monkeypatch.setattr(learner, "move_teacher", numb)
    corpus = of(tiny_corpus, kind)
    config = dataclasses.replace(corpus.config, objective=dataclasses.replace(corpus.config.objective, collapse="stop"))
    with pytest.raises(UserError, match=r"target variance 0, under.*a checkpoint is saved; objective\.collapse"):
        train(config, corpus.manifests, corpus.tokens, tmp_path / "stop")
    checkpoint = load_newest(tmp_path / "stop" / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.step == 4
    if kind == "masked":
        train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "warn")
        assert "step 6: the representation has collapsed" in capsys.readouterr().err


def fine_tuned(corpus: TinyCorpus, begun: Path, frozen: int) -> Config:
    config = corpus.config
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, init=str(begun)),
        schedule=dataclasses.replace(config.schedule, frozen_hours=frozen * STEP, warmup_hours=0.0),
        optimizer=dataclasses.replace(config.optimizer, head_lr=5e-3),
        train=dataclasses.replace(config.train, checkpoint_hours=2 * STEP, keep_last=5),
    )


def test_a_recognizer_starts_from_what_was_learnt_and_lets_its_head_learn_first(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    corpus = of(tiny_corpus, "masked")
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "before")
    weights = find_encoder(tmp_path / "before").weights
    initial = Initial(weights, str(tmp_path / "before"))
    assert not [name for name in weights if name.startswith("head.")]
    with pytest.raises(UserError, match="was trained on audio alone and writes no text"):
        find_trained(tmp_path / "before")
    config = fine_tuned(tiny_corpus, tmp_path / "before", frozen=3)
    for stop in (2, 3, 6):
        train(
            config,
            corpus.manifests,
            corpus.tokens,
            tmp_path / "run",
            stop_after=stop,
            initial=initial,
        )
    student = {}
    for step in (2, 6):
        student[step] = load_checkpoint(tmp_path / "run" / "checkpoints" / f"step-{step:08d}")
    early, late = student[2].tensors, student[6].tensors
    assert all(torch.equal(early["student"][name], tensor) for name, tensor in weights.items())
    assert not any(torch.equal(late["student"][name], tensor) for name, tensor in weights.items() if tensor.dim() > 1)
    assert not torch.equal(early["student"]["head.weight"], late["student"]["head.weight"])
    counts = sorted({float(t) for name, t in late["optimizer"].items() if name.endswith(".step")})
    # What was frozen has moments of the steps since then alone.
    assert counts == [3.0, 6.0]
    smaller = dataclasses.replace(config, model=dataclasses.replace(config.model, feedforward=32))
    with pytest.raises(UserError, match=r"model\.init = .*: not a model of these settings"):
        train(
            smaller,
            corpus.manifests,
            corpus.tokens,
            tmp_path / "other",
            initial=initial,
        )
