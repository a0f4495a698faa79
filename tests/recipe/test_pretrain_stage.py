from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from asr.cli.main import main
from asr.config_file import load_config

MASKED = {"objective": {"kind": "masked", "top_blocks": 2}, "pseudo": {"labels": "none"}, "seed": 5}


def settings(recipe: list[str], folder: Path, **changes: object) -> str:
    """A file of settings for audio alone, beside the corpus's."""
    path = folder / "masked.yaml"
    path.write_text(yaml.safe_dump({"extends": recipe[2], **MASKED, **changes}))
    return str(path)


def test_a_run_is_preceded_by_one_of_audio_alone_where_the_corpus_says_so(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = settings(recipe, tmp_path)
    chain = [*recipe, "--set", f"pretrain=[{before}]", "--set", "schedule.frozen_hours=0.01", "--batch-scale", "2"]
    assert main([*chain, "--stop-stage", "3", "--dry-run"]) == 0
    assert "stages 1 to" not in capsys.readouterr().out
    assert main([*chain, "--stop-stage", "5"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("pretrain: ") < shown.index("stage 4 evaluate")
    runs = {p.name.rpartition("-")[0]: p for p in (tmp_path / "exp" / "tiny" / "runs").iterdir()}
    # With a seed of its own, and this run's κ.
    assert runs.keys() == {"k2-s5", "k2-s1"}
    assert load_config(runs["k2-s1"] / "config.yaml").model.init == str(runs["k2-s5"])
    assert (runs["k2-s5"] / "complete.json").is_file()
    assert not (runs["k2-s5"] / "tokens").exists()
    assert main([*chain, "--stop-stage", "5"]) == 0
    assert capsys.readouterr().out.count("done already") == 5
    # Another pre-training makes another run.
    assert main([*chain, "--set", f"pretrain=[{before}, seed=6]", "--stop-stage", "3", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "pretrain: would run first" in shown
    assert "stage 3 train: would run" in shown


def test_audio_alone_suffices_to_pretrain_and_to_nothing_else(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = {"source": "local", "labeled": [], "unlabeled": ["audio"], "dev": []}
    alone = settings(recipe, tmp_path, corpus=corpus)
    assert main(["recipe", "--corpus", alone, *recipe[3:]]) == 0
    shown = capsys.readouterr().out
    assert "no labeled audio, and so no tokens" in shown
    assert "it writes no text to be scored" in shown
    (run,) = (tmp_path / "exp" / "tiny" / "runs").iterdir()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-2]["loss"] > 0 if lines[-1]["kind"] == "dev" else lines[-1]["loss"] > 0
    page = (run / "report.html").read_text()
    assert "Loss of audio alone" in page
    assert main(["recipe", "--corpus", alone, *recipe[3:], "--set", "objective.kind=ctc", "--stop-stage", "3"]) == 2
    assert "name labeled subsets" in capsys.readouterr().err


def test_a_corpus_that_pre_training_alone_has_is_made_too(
    recipe: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def generate(root: Path, **_: object) -> None:
        (root / "noise").mkdir(parents=True)
        soundfile.write(root / "noise" / "one.flac", np.ones(32_000, np.int16), 16_000)

    monkeypatch.setattr("data_prep.mini.generate", generate)
    corpus = {"source": "mini", "labeled": [], "unlabeled": ["noise"], "dev": []}
    before = settings(recipe, tmp_path, corpus=corpus)
    assert main([*recipe, "--set", f"pretrain=[{before}]", "--stop-stage", "1"]) == 0
    assert f"of pre-training: {tmp_path / 'data' / 'mini'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": {"kind": "ctc"}}, "is no run of audio alone; set objective.kind there"),
        ({"model": {"width": 64}}, "model.width is 64 there and 32 here"),
        ({"features": {"mels": 40}}, "features.mels is 40 there and 80 here"),
        ({"pseudo": {"labels": "teacher"}}, "pseudo.labels must be none with objective.kind = masked"),
    ],
)
def test_settings_that_nothing_can_start_from_are_one_line(
    recipe: list[str], tmp_path: Path, changes: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = settings(recipe, tmp_path, **changes)
    assert main([*recipe, "--set", f"pretrain=[{before}]", "--dry-run"]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_settings_that_are_not_there_are_told_by_the_name_that_they_have(
    recipe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*recipe, "--set", "pretrain=[elsewhere.yaml]", "--dry-run"]) == 2
    assert "pretrain = elsewhere.yaml: no such settings; known are " in capsys.readouterr().err
