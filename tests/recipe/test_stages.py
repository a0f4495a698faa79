from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
import yaml
from file_server import FileServer

from asr.cli.main import main
from asr.config_file import dump_config, load_config
from asr.recipe.experiment import Experiment
from data_prep.librispeech import ARCHIVES, Archive

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def runs(folder: Path) -> list[str]:
    return sorted(p.name.rpartition("-")[0] for p in (folder / "exp" / "tiny" / "runs").iterdir())


def test_a_late_stage_completes_the_earlier_ones_and_says_so(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, "--stage", "3", "--batch-scale", "2"]) == 0
    shown = capsys.readouterr().out
    assert "stage 1 manifests: not done yet, and stage 3 needs it" in shown
    assert "ρ^κ" in shown
    assert "dev: 2 speakers, fewer than 20: the bootstrap's intervals are too narrow" in shown
    assert "report: " in shown
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    scores = json.loads((run / "evaluation" / "scores.json").read_text())
    assert [(s["model"], s["subset"], s["utterances"], s["normaliser"]) for s in scores] == [
        ("student", "dev", 5, "upper"),
        ("teacher", "dev", 5, "upper"),
    ]
    assert "\nnormaliser: upper\n" in shown
    assert ">normaliser of texts</dt><dd>upper</dd>" in (run / "report.html").read_text()
    assert (run / "evaluation" / "teacher" / "dev.hyp.trans.txt").read_text().count("\n") == 5
    assert "<html" in (run / "report.html").read_text()[:300]

    assert main([*recipe, "--batch-scale", "2"]) == 0
    shown = capsys.readouterr().out
    assert all(f"stage {n} " in shown for n in range(6))
    assert shown.count("done already") == 5

    assert main([*recipe, "--set", "seed=2", "--stop-stage", "3"]) == 0
    assert runs(tmp_path) == ["k1-s2", "k2-s1"]

    shown = capsys.readouterr().out
    assert main([*recipe, "--set", "optimizer.lr=0.01", "--batch-scale", "2", "--stop-stage", "3"]) == 0
    assert "stage 3 train: settings or inputs are new, done again" in capsys.readouterr().out
    assert runs(tmp_path) == ["k1-s2", "k2-s1", "k2-s1"]


def test_a_dry_run_says_what_would_run_and_does_none_of_it(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, "--dry-run", "--nproc", "2"]) == 0
    shown = capsys.readouterr().out
    assert "stage 3 train: would run" in shown
    assert "--nproc-per-node=2" in shown
    assert not (tmp_path / "exp").exists()


def test_decoded_audio_that_was_deleted_is_decoded_again(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoken = next((tmp_path / "data" / "tiny" / "train").rglob("*.flac"))
    samples, _ = soundfile.read(spoken, dtype="int16")
    soundfile.write(spoken, samples, 8_000)
    assert main([*recipe, "--stop-stage", "2"]) == 0
    shutil.rmtree(tmp_path / "exp" / "tiny" / "audio")
    capsys.readouterr()
    assert main([*recipe, "--stop-stage", "2", "--dry-run"]) == 0
    assert "stage 1 manifests: would run" in capsys.readouterr().out
    assert main([*recipe, "--stop-stage", "2"]) == 0
    assert "stage 1 manifests: decoded audio has been deleted, done again" in capsys.readouterr().out
    assert main([*recipe, "--stop-stage", "2"]) == 0
    assert "stage 1 manifests: done already" in capsys.readouterr().out


def test_a_test_subset_is_scored_in_stage_4_and_makes_no_other_run(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, "--stop-stage", "4"]) == 0
    shutil.copytree(tmp_path / "data" / "tiny" / "dev", tmp_path / "data" / "tiny" / "eval")
    capsys.readouterr()
    assert main([*recipe, "--stop-stage", "4", "--set", "corpus.test=[eval]"]) == 0
    shown = capsys.readouterr().out
    assert "stage 3 train: done already" in shown
    (run,) = (tmp_path / "exp" / "tiny" / "runs").iterdir()
    scores = json.loads((run / "evaluation" / "scores.json").read_text())
    assert [(s["model"], s["subset"]) for s in scores] == [
        (model, subset) for subset in ("dev", "eval") for model in ("student", "teacher")
    ]
    assert scores[0]["wer"] == scores[2]["wer"]
    # Nothing of it in what training reads.
    manifests = next((tmp_path / "exp" / "tiny" / "manifests").iterdir())
    assert not [path for path in manifests.rglob("*.jsonl") if "/eval/" in path.read_text()]
    assert "eval" not in (run / "metrics.jsonl").read_text()
    assert main([*recipe, "--stop-stage", "4", "--set", "corpus.test=[eval]"]) == 0
    assert "stage 4 evaluate: done already" in capsys.readouterr().out
    assert main([*recipe, "--stop-stage", "1", "--set", "corpus.test=[train]"]) == 2
    assert "is trained on, as labeled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-scale", "0"], "κ = 0: must be a positive number"),
        (["--batch-scale", "11", "--set", "optimizer.beta_rule=linear"], "largest feasible κ is 10"),
        (["--set", "optimizer.rate=1"], "unknown setting 'optimizer.rate'"),
        (["--set", "corpus.labeled=[nowhere]"], "'nowhere' is missing"),
        (["--stage", "4", "--stop-stage", "2"], "lies before"),
        (["--nproc", "0"], "must be at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    recipe: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("kappa-asr: error: ")
    assert shown.err.count("\n") == 1


def test_mini_librispeech_is_downloaded_where_it_is_absent(
    tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for subset in ("train-clean-5", "dev-clean-2"):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo(f"LibriSpeech/{subset}/1/2/1-2.trans.txt"))
        server.files[f"31/{subset}.tar.gz"] = content.getvalue()
        monkeypatch.setitem(ARCHIVES, subset, Archive(31, hashlib.md5(content.getvalue()).hexdigest()))
    corpus = {"source": "librispeech", "labeled": ["train-clean-5"], "unlabeled": ["more"], "dev": ["dev-clean-2"]}
    (tmp_path / "mini-librispeech.yaml").write_text(yaml.safe_dump({"corpus": corpus | {"base_url": server.url}}))
    root = tmp_path / "data" / "LibriSpeech"
    command = ["recipe", "--corpus", str(tmp_path / "mini-librispeech.yaml"), "--data-dir", str(tmp_path / "data")]
    assert main([*command, "--stop-stage", "0"]) == 2
    assert "more: not there, and no LibriSpeech subset to download" in capsys.readouterr().err
    assert server.paths == []
    (root / "more").mkdir(parents=True)
    for _ in range(2):
        assert main([*command, "--stop-stage", "0"]) == 0
    assert server.paths == ["31/train-clean-5.tar.gz", "31/dev-clean-2.tar.gz"]
    assert sorted(path.name for path in root.glob("[!.]*")) == ["dev-clean-2", "more", "train-clean-5"]


def test_an_unknown_corpus_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "--corpus", "timit"]) == 2
    assert "known are digits, librispeech, librispeech-slimipl, mini, mini-librispeech" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_made_is_one_line(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main([*recipe, "--exp-dir", str(tmp_path / "file" / "exp")]) == 2
    shown = capsys.readouterr().err
    assert "Not a directory" in shown
    assert shown.count("\n") == 1


def test_runs_of_almost_equal_scale_have_folders_of_their_own(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    names = {
        Experiment(dataclasses.replace(tiny_corpus.config, batch_scale=scale), tmp_path, tmp_path).run(tmp_path).name
        for scale in (1 / 3, 0.333333, 0.33333333, 4.0)
    }
    assert len(names) == 4
    assert any(name.startswith("k4-s1-") for name in names)


def only_run(folder: Path) -> Path:
    (run,) = (folder / "exp" / "tiny" / "runs").iterdir()
    return run


def test_operational_settings_make_no_other_run_and_scientific_ones_do(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    def name(*overrides: str) -> str:
        config = dump_config(tiny_corpus.config)
        (tmp_path / "a.yaml").write_text(config)
        return Experiment(load_config(tmp_path / "a.yaml", overrides), tmp_path, tmp_path).run(tmp_path).name

    first = name()
    for same in (
        "train.loader_threads=7",
        "train.keep_last=9",
        "train.log_hours=7",
        "train.evaluate_hours=7",
        "train.checkpoint_hours=7",
        "train.tensorboard=true",
        "train.engine=fsdp",
        "batch.max_device_seconds=3",
        "pseudo.collapse=stop",
        "corpus.dev=[dev, other]",
        "corpus.test=[eval]",
        "decode.beam=7",
    ):
        assert name(same) == first, same
    for other in ("optimizer.lr=0.5", "batch.unit_seconds=9", "train.precision=bf16", "schedule.total_hours=9"):
        assert name(other) != first, other


def test_another_dev_subset_is_scored_by_the_same_run_while_it_trains_and_after(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tmp_path / "data" / "tiny" / "dev", tmp_path / "data" / "tiny" / "more")
    assert main([*recipe, "--stop-stage", "3"]) == 0
    run = only_run(tmp_path)
    # As if it had been stopped half way.
    (run / "complete.json").unlink()
    for path in sorted((run / "checkpoints").glob("step-*"))[1:]:
        shutil.rmtree(path)
    capsys.readouterr()
    changed = [
        "--set",
        "corpus.dev=[dev, more]",
        "--set",
        "train.loader_threads=2",
        "--set",
        "train.evaluate_hours=0.01",
    ]
    assert main([*recipe, *changed]) == 0
    shown = capsys.readouterr()
    assert only_run(tmp_path) == run
    assert "dev subsets: " in shown.out
    assert "the run goes on with another corpus.dev ['dev'] → ['dev', 'more']\n" in shown.err
    assert "the run goes on with another train.loader_threads 1 → 2\n" in shown.err
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [sorted(line["teacher"]) for line in lines if line["kind"] == "dev"][-1] == ["dev", "more"]
    scores = json.loads((run / "evaluation" / "scores.json").read_text())
    assert [(s["model"], s["subset"]) for s in scores][::2] == [("student", "dev"), ("student", "more")]
    assert "WER on more" in (run / "report.html").read_text()
    # And back, after the end: nothing is trained.
    assert main(recipe) == 0
    shown = capsys.readouterr()
    assert "stage 3 train: done already" in shown.out
    assert "going on" not in shown.err


def test_a_test_subset_that_comes_to_be_trained_on_later_is_noticed(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tmp_path / "data" / "tiny" / "audio", tmp_path / "data" / "tiny" / "eval")
    tested = [*recipe, "--stop-stage", "1", "--set", "corpus.test=[eval]"]
    assert main(tested) == 0
    assert main([*tested, "--set", "corpus.unlabeled=[audio, eval]"]) == 2
    assert "is trained on, as unlabeled" in capsys.readouterr().err


def test_a_dry_run_names_kappa_what_it_changes_and_the_run(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, "--dry-run", "--batch-scale", "4"]) == 0
    shown = capsys.readouterr().out
    rows = {line.split("  ")[0]: line.split() for line in shown.splitlines()}
    assert "κ = 4" in shown
    assert rows["teacher momentum ρ"][-3:] == ["0.9", "0.6561", "ρ^κ"]
    assert "weight decay" not in rows
    (named,) = [line for line in shown.splitlines() if line.startswith("run folder: ")]
    assert main([*recipe, "--batch-scale", "4", "--stop-stage", "3"]) == 0
    assert named == f"run folder: {only_run(tmp_path)}"
    shutil.rmtree(tmp_path / "data")
    capsys.readouterr()
    assert main([*recipe, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "κ = 1: every value is as it was configured" in shown
    assert "stages 1 to 5: run, once the corpus is there (subset 'train' is not in " in shown
    assert f"run folder: {tmp_path / 'exp' / 'tiny' / 'runs' / 'k1-s1'}-…" in shown


def test_runs_that_start_at_once_prepare_their_corpus_once(recipe: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "asr", *recipe, "--stop-stage", "2"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)]
    shown = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], shown
    assert sorted(text.count("done already") for text in shown) == [0, 2, 2]
    assert not list((tmp_path / "exp").rglob("*.partial"))
