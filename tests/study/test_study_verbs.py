from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from small_model import make_run

from asr.checkpoint.checkpoint import Checkpoint, load_newest, save_checkpoint
from asr.cli.main import main


def trained(exp: Path) -> dict[str, int]:
    """When each run ended, in nanoseconds, by its folder."""
    return {p.parent.name: p.stat().st_mtime_ns for p in exp.glob("tiny/runs/*/complete.json")}


def test_a_study_trains_what_is_missing_and_draws_all_of_it(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    corpus, places = recipe[2], recipe[3:]
    study = tmp_path / "small.yaml"
    content = {"corpus": corpus, "kappa": [1, 2], "seeds": [1], "ema_rule": [True]}
    study.write_text(yaml.safe_dump(content | {"extra": {"nobody": {"corpus.labeled_speakers": ["9"]}}}))
    out = tmp_path / "exp" / "studies" / "small"

    assert main(["study", str(study), *places, "--processes", "2"]) == 2
    seen = capsys.readouterr()
    assert "1 of 3 cells failed: nobody, with all rules, seed 1" in seen.err
    assert "rerun to go on" in seen.err
    assert "speakers there are 1" in (out / "logs" / "002.log").read_text()
    assert not (out / "study.html").exists()
    before = trained(tmp_path / "exp")
    assert sorted(name.rpartition("-")[0] for name in before) == ["k1-s1", "k2-s1"]

    study.write_text(yaml.safe_dump(content))
    assert main(["study", str(study), *places]) == 0
    assert trained(tmp_path / "exp") == before
    shown = capsys.readouterr().out
    assert re.search(r"2 of 2: κ = 2, with all rules, seed 1 \([0-9]+ CPU s\)", shown)
    table = json.loads((out / "table.json").read_text())
    assert [(row["panel"], row["model"]) for row in table] == [
        ("κ = 1", "teacher"),
        ("κ = 1", "student"),
        ("κ = 2", "teacher"),
        ("κ = 2", "student"),
    ]
    assert all(row["mean"] == 0 for row in table[:2])
    assert "| κ = 2 | with all rules | teacher | 1 |" in (out / "table.md").read_text()
    assert (out / "table.md").read_text() in shown
    assert b"<svg" in (out / "figure.svg").read_bytes()
    assert "<html" in (out / "study.html").read_text()[:300]


def test_no_processes_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(tmp_path / "none.yaml"), "--processes", "0"]) == 2
    assert "--processes 0: must be at least 1" in capsys.readouterr().err


def test_spectra_compares_the_models_of_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    first = load_newest(two / "checkpoints")
    assert first is not None
    larger = {name: 3 * tensor for name, tensor in first.tensors["teacher"].items()}
    save_checkpoint(two / "checkpoints", Checkpoint(2, first.tensors | {"teacher": larger}, first.state))
    figure = tmp_path / "spectra.svg"
    assert main(["spectra", str(one), str(two), "--out", str(figure)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "geometric mean" in " ".join(lines[-2].split())
    assert lines[-2].split()[-1] == "3.00"
    assert lines[-1] == str(figure)
    assert b"<svg" in figure.read_bytes()
    assert main(["spectra", str(one), str(two), "--model", "student"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-1] == "1.00"
    assert main(["spectra", str(one), str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err


def test_parabola_says_where_each_rule_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    figure = tmp_path / "parabola.svg"
    assert main(["parabola", str(figure)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "with ρ^κ: departs at κ = 256",
        "without ρ^κ: departs at κ = 2",
        str(figure),
    ]
    assert b"<svg" in figure.read_bytes()
