from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from asr.checkpoint.checkpoint import list_checkpoints
from asr.cli.main import main
from asr.cli.recipe import find_config
from asr.study.trunk import beginning, fork, newest_until

HOURS = 0.014
"""Just after a step of the tiny corpus begins, and where its pseudo-labels start."""


def beginnings(corpus: str, *overrides: str) -> str:
    return beginning(find_config(corpus, list(overrides), None), HOURS)


def test_settings_that_come_later_leave_the_beginning_alone(recipe: list[str]) -> None:
    corpus, start = recipe[2], f"pseudo.start_hours={HOURS}"
    base = beginnings(corpus, start)
    decay = (f"schedule.decay_start_hours={HOURS}", "schedule.total_hours=3")
    for same in (
        (start, "pseudo.labels=none"),
        (start, "pseudo.labels=oracle", "pseudo.weight=0.5"),
        (start, f"scaling.progressive=[[0,1],[{HOURS},2]]", "scaling.ema=false"),
        (start, f"scaling.start_hours={HOURS}", "batch_scale=2", "scaling.ema=false"),
        (start, "train.evaluate_hours=1", "decode.beam=3"),
        (start, f"objective.consistency=[[{HOURS},0],[{HOURS},0.2]]"),
    ):
        assert beginnings(corpus, *same) == base, same
    assert beginnings(corpus, start, *decay[:1]) == beginnings(corpus, start, *decay)


@pytest.mark.parametrize(
    "other",
    [
        "seed=7",
        "model.dropout=0.2",
        "teacher.momentum=0.5",
        "pseudo.start_hours=0.01",
        "objective.consistency=[[0.01,0],[0.01,0.2]]",
        "objective.consistency=[[0,0],[1,0.2]]",
        "batch_scale=2",
        "scaling.progressive=[[0,1],[0.01,2]]",
        "batch_scale=2 scaling.start_hours=0.01",
        "schedule.total_hours=3",
        "train.precision=bf16",
    ],
)
def test_settings_that_matter_from_the_start_make_another_beginning(recipe: list[str], other: str) -> None:
    start = f"pseudo.start_hours={HOURS}"
    assert beginnings(recipe[2], start, *other.split()) != beginnings(recipe[2], start)


def test_cells_that_share_a_beginning_end_with_the_bits_of_cells_that_do_not(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    corpus, data = recipe[2], recipe[3:5]
    settings = {"schedule.decay_start_hours": HOURS, "pseudo.start_hours": HOURS}
    cache = {"pseudo.cache_hours": 0.006, "pseudo.cache_turnover": 0.5}
    content = {"corpus": corpus, "kappa": [1, 2], "seeds": [1], "ema_rule": [False], "from_hours": HOURS}
    study = tmp_path / "late.yaml"
    study.write_text(yaml.safe_dump(content | {"settings": settings, "extra": {"cache": cache}}))
    together = tmp_path / "together"
    # A thread for each process: sums of several threads have other bits.
    command = ["study", str(study), *data, "--exp-dir", str(together)]
    assert main([*command, "--processes", str(os.cpu_count())]) == 0
    assert "2 of 2 others go on from it" in capsys.readouterr().out

    runs = sorted(together.glob("tiny/runs/*"))
    assert len(runs) == 3
    for run in runs:
        last = list_checkpoints(run / "checkpoints")[-1]
        alone = tmp_path / "alone" / run.relative_to(together)
        config = run / "config.yaml"
        manifests, dev, tokens = (next(together.glob(f"tiny/{kind}/*")) for kind in ("manifests", "dev", "tokens"))
        where = ["--manifests", str(manifests), "--dev", str(dev), "--tokens", str(tokens), "--run-dir", str(alone)]
        assert main(["train", str(config), *where]) == 0
        for name in ("student", "teacher", "optimizer"):
            shared = load_file(last / f"{name}.safetensors")
            own = load_file(alone / "checkpoints" / last.name / f"{name}.safetensors")
            assert all(shared[key].equal(own[key]) for key in own), (run.name, name)
        assert (run / "metrics.jsonl").read_text() == (alone / "metrics.jsonl").read_text()
    # What has begun is left alone.
    config = find_config(corpus, [], None)
    assert fork(runs[0], config, HOURS, dict.fromkeys(runs, config)) == []


def test_a_trunk_without_a_checkpoint_early_enough_is_not_gone_on_from(recipe: list[str], tmp_path: Path) -> None:
    corpus, places = recipe[2], recipe[3:]
    assert main(["recipe", "--corpus", corpus, *places, "--stop-stage", "3", "--stop-hours", "0.014"]) == 0
    (run,) = tmp_path.glob("exp/tiny/runs/*")
    assert not (run / "complete.json").exists()
    config = find_config(corpus, [], None)
    found = newest_until(run, config, 0.02)
    assert found is not None
    assert f"step-{found.step:08d}" == list_checkpoints(run / "checkpoints")[-1].name
    assert newest_until(run, config, 0.001) is None


def test_training_is_not_left_before_an_evaluation(recipe: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", *recipe[1:], "--stop-hours", "0.01"]) == 2
    assert "--stop-stage 3" in capsys.readouterr().err
