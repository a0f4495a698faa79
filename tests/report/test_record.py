import json
import math
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.report.record import read_run


def log(folder: Path, *rows: object, tail: str = "") -> Path:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return folder


def train(step: int, loss: float | None = 1.0, unlabeled: float | None = None) -> dict[str, object]:
    row = {
        "kind": "train",
        "step": step,
        "hours": step / 10,
        "loss_labeled": loss,
        "loss_unlabeled": unlabeled,
    }
    return {**row, "label_wer": None}


def dev(step: int, wer: float) -> dict[str, object]:
    return {
        "kind": "dev",
        "step": step,
        "hours": step / 10,
        "teacher": {"dev-clean": {"wer": wer, "cer": 0.1}},
    }


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is here"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="no run is here"):
        read_run(tmp_path / "absent")


def test_steps_repeated_after_a_resume_are_counted_once(tmp_path: Path) -> None:
    first = [train(10), dev(10, 0.9), train(20), dev(20, 0.8), train(30), train(35)]
    run = read_run(log(tmp_path, *first, train(20, 2.0), dev(20, 0.7), train(30, 3.0)))
    assert run.curve("loss_labeled") == ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert run.dev_curve("teacher", "dev-clean") == ([1.0, 2.0], [0.9, 0.7])


def test_the_line_that_a_killed_run_left_unfinished_is_skipped(tmp_path: Path) -> None:
    run = read_run(log(tmp_path, train(10), tail='{"kind": "train", "step": 2'))
    assert len(run.train) == 1
    assert run.hours == 1.0


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"kind": "train", "step": 1}'])
def test_a_malformed_line_in_the_middle_is_named(tmp_path: Path, line: str) -> None:
    log(tmp_path, train(10), tail=f"{line}\n{json.dumps(train(20))}\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: not a line of metrics"):
        read_run(tmp_path)


def test_values_that_are_no_finite_numbers_leave_a_gap(tmp_path: Path) -> None:
    run = read_run(log(tmp_path, train(10), train(20, None), train(30, math.nan), train(40, math.inf), train(50)))
    assert run.curve("loss_labeled")[0] == [1.0, 5.0]
    assert run.curve("unheard_of") == ([], [])
    assert read_run(log(tmp_path, dev(10, math.nan))).dev_curve("teacher", "dev-clean") == ([], [])


def test_pseudo_labels_start_after_the_last_line_without_their_loss(tmp_path: Path) -> None:
    assert read_run(log(tmp_path, train(10), train(20, unlabeled=3.0), train(30, unlabeled=2.0))).pseudo_start == 1.0
    assert read_run(log(tmp_path, train(10))).pseudo_start is None


def test_a_finished_run_is_read_whole(run_dir: Path) -> None:
    run = read_run(run_dir)
    assert (run.name, run.batch_scale, run.hours) == ("mini", 4.0, 10.0)
    assert run.pseudo_start == pytest.approx(28 / 15)
    assert run.subsets == ["dev-clean", "dev-other"]
    assert len(run.evaluations) == 15
    assert len(run.scaling) == 7
    assert sorted(run.hypotheses) == ["student", "teacher"]
    assert len(run.references["dev-other"]) == 40


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: [", r"config\.yaml: not valid YAML"),
        ("config.yaml", "- a", r"config\.yaml: expected settings by name"),
        ("plan.json", "{", r"plan\.json: not valid JSON"),
        ("plan.json", '{"rows": [{"name": "lr"}]}', r"plan\.json: not a scaling plan \(KeyError\('base'\)"),
        ("evaluation/scores.json", '[{"model": "teacher"}]', r"scores\.json, entry 1: not a score"),
    ],
)
def test_a_malformed_file_is_named(run_dir: Path, name: str, content: str, message: str) -> None:
    (run_dir / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_run(run_dir)


def test_a_score_without_an_interval_is_read(run_dir: Path) -> None:
    path = run_dir / "evaluation" / "scores.json"
    scores = json.loads(path.read_text())
    scores[0]["wer_low"], scores[0]["wer_high"] = None, math.nan
    path.write_text(json.dumps(scores))
    score = read_run(run_dir).scores[0]
    assert math.isnan(score.low)
    assert math.isnan(score.high)
