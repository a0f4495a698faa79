from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from asr.checkpoint.checkpoint import load_newest
from asr.config import Config
from asr.errors import UserError
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def final(run_dir: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], str]:
    checkpoint = load_newest(run_dir / "checkpoints")
    assert checkpoint is not None
    metrics = (run_dir / "metrics.jsonl").read_text()
    return checkpoint.tensors["student"], checkpoint.tensors["teacher"], metrics


def different(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> dict[str, float]:
    """By how much, by name."""
    assert one.keys() == two.keys()
    return {k: float((one[k] - two[k]).abs().max()) for k in one if not torch.equal(one[k], two[k])}


def test_a_run_leaves_all_that_the_report_reads(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in logged] == [2, 4, 6, 8, 10]
    assert [line["label_wer"] is None for line in logged] == [True, True, False, False, False]
    assert all(line["loss_labeled"] > 0 for line in logged)
    assert [line["step"] for line in lines if line["kind"] == "dev"] == [4, 8, 10]
    assert set(lines[-1]["teacher"]) == {"dev"}
    for name in ("config.yaml", "plan.json", "complete.json", "train.log"):
        assert (tmp_path / name).is_file()


STRATEGIES: dict[str, dict[str, object]] = {
    "each step": {},
    "cache": {"cache_hours": 8.0 / 3600, "cache_turnover": 0.5},
    "churn": {"cache_hours": 8.0 / 3600, "turnover": "churn", "search": "sampled", "max_churn": 0.99},
    "updates of one kind": {"mixing": "update", "labels": "student", "best_share": 0.9, "denominator": "kept"},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_was_stopped_ends_with_the_same_bits(tiny_corpus: TinyCorpus, tmp_path: Path, strategy: str) -> None:
    pseudo = dataclasses.replace(tiny_corpus.config.pseudo, **STRATEGIES[strategy])  # type: ignore[arg-type]
    objective = dataclasses.replace(tiny_corpus.config.objective, consistency=0.2 if strategy == "cache" else 0.0)
    config = dataclasses.replace(tiny_corpus.config, pseudo=pseudo, objective=objective)
    corpus = dataclasses.replace(tiny_corpus, config=config)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "whole")
    # Checkpoints lie at steps 3, 6 and 9, the switch to pseudo-labels at 4.
    for stop in (1, 5, 8):
        train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "parts", stop_after=stop)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "parts")
    whole, parts = final(tmp_path / "whole"), final(tmp_path / "parts")
    assert whole[2] == parts[2]
    assert different(whole[0], parts[0]) == {}
    assert different(whole[1], parts[1]) == {}


def test_accumulation_gives_the_gradients_of_one_large_batch(tiny_corpus: TinyCorpus) -> None:
    """Micro-batches that are cut differently hold other utterances, so a plan of one batch is compared."""
    from asr.data.audio import AudioReader
    from asr.data.batching import MicroBatch
    from asr.data.manifest import read_manifest
    from asr.data.tokens import load_tokenizer
    from asr.pseudo.label import Label
    from asr.pseudo.pseudo_labels import PseudoLabels
    from asr.pseudo.store import LabelStore
    from asr.scaling.plan import Plan
    from asr.step.clock import Clock
    from asr.step.feeder import StepBatch, Work
    from asr.step.learner import Learner
    from asr.step.planner import Positions
    from asr.step.ranks import Ranks

    config = dataclasses.replace(
        tiny_corpus.config,
        model=dataclasses.replace(tiny_corpus.config.model, dropout=0.0, layerdrop=0.0),
        specaugment=dataclasses.replace(tiny_corpus.config.specaugment, start_hours=100.0),
    )
    manifest = read_manifest(tiny_corpus.manifests / "labeled.jsonl")
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    texts = LabelStore(
        len(manifest), (Label(row, tuple(tokenizer.encode(u.text or ""))) for row, u in enumerate(manifest))
    )
    pseudo = PseudoLabels(config.pseudo, tokenizer, manifest.durations, 1.0)
    reader = AudioReader(1, 0)

    def step(cuts: list[list[int]]) -> dict[str, torch.Tensor]:
        learner = Learner(config, Plan(config), tokenizer.size, texts, pseudo, Ranks(0, 1, torch.device("cpu")))
        work = []
        for index, rows in enumerate(cuts):
            batch = MicroBatch(torch.tensor(rows).numpy(), 240)
            work.append(Work(index, "text", batch, reader.gather(reader.submit(manifest, rows))))
        seconds = sum(float(manifest.durations[row]) for rows in cuts for row in rows)
        learner.step(StepBatch(work, learner.plan.at(0.0), seconds, seconds, Positions()), Clock(60.0))
        return {n: p.grad.clone() for n, p in learner.student.named_parameters() if p.grad is not None}

    whole, cut = step([[0, 1, 2, 3, 4, 5]]), step([[4, 1], [5, 0, 3], [2]])
    reader.close()
    for name in whole:
        torch.testing.assert_close(whole[name], cut[name], rtol=1e-4, atol=1e-6)


def test_kappa_1_with_every_rule_on_is_bitwise_the_run_with_none(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = tiny_corpus
    off = dataclasses.replace(
        corpus.config, scaling=dataclasses.replace(corpus.config.scaling, ema=False, optimizer=False)
    )
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "on", stop_after=6)
    train(off, corpus.manifests, corpus.tokens, tmp_path / "off", stop_after=6)
    on, without = final(tmp_path / "on"), final(tmp_path / "off")
    assert different(on[0], without[0]) == {}
    assert different(on[1], without[1]) == {}


def test_the_text_of_unlabeled_audio_does_not_reach_training(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """The same bits with other references: they are measured against, and nothing more."""
    import shutil

    from asr.score.transcripts import read_transcripts, write_transcripts

    corpus = tiny_corpus
    other = tmp_path / "manifests"
    shutil.copytree(corpus.manifests, other)
    path = other / "references" / "unlabeled.trans.txt"
    write_transcripts(path, dict.fromkeys(read_transcripts(path), "SEVEN SEVEN"))
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "one", stop_after=9)
    train(corpus.config, other, corpus.tokens, tmp_path / "two", stop_after=9)
    one, two = final(tmp_path / "one"), final(tmp_path / "two")
    assert different(one[0], two[0]) == {}
    assert different(one[1], two[1]) == {}


def bad(config: Config, **changes: object) -> Config:
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def test_pseudo_labels_without_unlabeled_audio_are_an_error(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_corpus.manifests, tmp_path / "manifests")
    (tmp_path / "manifests" / "unlabeled.jsonl").write_text("")
    with pytest.raises(UserError, match=r"pseudo\.labels to none"):
        train(tiny_corpus.config, tmp_path / "manifests", tiny_corpus.tokens, tmp_path / "run")


def test_kappa_zero_is_an_error(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="κ = 0"):
        train(bad(tiny_corpus.config, batch_scale=0.0), tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)


def test_audio_that_cannot_be_read_is_counted_and_bounded(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    rows = (tiny_corpus.manifests / "labeled.jsonl").read_text().splitlines()
    broken = json.loads(rows[0])
    broken["audio_filepath"] = str(tmp_path / "gone.flac")
    import shutil

    manifests = tmp_path / "manifests"
    shutil.copytree(tiny_corpus.manifests, manifests)
    (manifests / "labeled.jsonl").write_text("\n".join([json.dumps(broken), *rows[1:]]) + "\n")
    train(tiny_corpus.config, manifests, tiny_corpus.tokens, tmp_path / "run")
    assert list(json.loads((tmp_path / "run" / "complete.json").read_text())["unreadable"]) == [broken["id"]]
    strict = bad(tiny_corpus.config, train=dataclasses.replace(tiny_corpus.config.train, max_bad_audio=0))
    with pytest.raises(UserError, match=r"could not be read.*\n.*gone\.flac"):
        train(strict, manifests, tiny_corpus.tokens, tmp_path / "strict")


def test_tensorboard_gets_every_line(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = bad(tiny_corpus.config, train=dataclasses.replace(tiny_corpus.config.train, tensorboard=True))
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=6)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("train/loss_labeled")] == [2, 4, 6]
    assert [e.step for e in events.Scalars("dev/dev wer teacher")] == [4]


def test_a_run_s_folder_is_held_by_one_process(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process is training here"):
            train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path)
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=1)
