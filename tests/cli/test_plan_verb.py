from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from asr.cli.main import main
from asr.config_file import load_config
from asr.scaling.plan import Plan
from asr.train.used_time import measure_load


def test_a_plan_for_64_devices_needs_none_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--set", "model.layers=2"]
    assert main(["plan", "--config", "librispeech", "--batch-scale", "8", "--world-size", "64", "--json", *small]) == 0
    plan = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in plan["rows"]}
    assert rows["teacher momentum ρ"]["scaled"] == [pytest.approx(0.9999**8)]
    assert (rows["pseudo-labels start"]["base"], rows["pseudo-labels start"]["scaled"]) == (20_000, [2500])
    assert [(rows[name]["base"], rows[name]["unit"]) for name in ("audio per step", "training ends")] == [
        (2320, "s"),
        (403_449, "step"),
    ]
    assert rows["pseudo-labels start"]["hours"] == 12888.8
    assert plan["kappa"] == [{"hours": 0, "scale": 8}]
    # No number is hidden in a text, but for the rules' own.
    assert not [
        row for row in plan["rows"] if not all(isinstance(v, int | float) for v in (row["base"], *row["scaled"]))
    ]
    # One of labeled and one of unlabeled audio.
    assert plan["device"]["accumulation"] == 2
    assert main(["plan", "--config", "librispeech", "--batch-scale", "8", "--world-size", "64", *small]) == 0
    assert re.search(r"micro-batches per step, then +2, 9[78]\.\d% of time used\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("kappa", "ranks"), [(1, 1), (1, 2), (1, 3), (1, 8), (2, 16), (3, 24), (4, 32), (8, 8), (8, 64)]
)
def test_ranks_use_their_time_when_they_share_a_step_out(kappa: float, ranks: int) -> None:
    config = dataclasses.replace(load_config(Path("conf/librispeech.yaml")), batch_scale=kappa)
    assert measure_load(config, Plan(config), ranks, started=True).busy >= 0.97


def test_intervals_and_loads_are_those_of_the_kappa_that_a_run_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    late = ["--batch-scale", "8", "--set", "scaling.start_hours=4", "--set", "scaling.ramp_hours=2"]
    assert main(["plan", "--config", "mini", *late, "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    every = rows["evaluation every"]
    assert (every["base"], every["scaled"], every["hours"]) == (480, [480, 60], 2)
    # A ramp from 4 h on has κ = 8 from 6 h on, and no sooner.
    assert rows["κ becomes 8"]["hours"] == 6
    assert main(["plan", "--config", "mini", *late[:-1], "scaling.ramp_hours=20"]) == 0
    assert "warning: κ = 8 would hold from 24 h on, and training ends at 12 h" in capsys.readouterr().out
    config = load_config(Path("conf/librispeech.yaml"))
    at_8 = measure_load(config, Plan(dataclasses.replace(config, batch_scale=8.0)), 8, started=False)
    scaling = dataclasses.replace(config.scaling, start_hours=100.0)
    from_100_h = dataclasses.replace(config, batch_scale=8.0, scaling=scaling)
    assert measure_load(from_100_h, Plan(from_100_h), 8, started=False).passes == 8 * at_8.passes // at_8.passes


def test_memory_grows_with_the_model_and_with_the_audio_that_a_device_takes(capsys: pytest.CaptureFixture[str]) -> None:
    def device(*settings: str) -> dict[str, float]:
        overrides = [part for setting in settings for part in ("--set", setting)]
        assert main(["plan", "--json", "--memory", *overrides]) == 0
        found: dict[str, float] = json.loads(capsys.readouterr().out)["device"]
        return found

    one, deep, long = (
        device(),
        device("model.layers=8"),
        device("batch.base_seconds=120", "batch.unit_seconds=144"),
    )
    assert one["parameters"] < deep["parameters"]
    assert one["state_gib"] == pytest.approx(one["parameters"] * 4 * 5 / 2**30)
    assert deep["activations_fp32_gib"] / one["activations_fp32_gib"] == pytest.approx(2, rel=0.25)
    assert long["activations_fp32_gib"] / one["activations_fp32_gib"] == pytest.approx(4, rel=0.1)


def test_a_plan_takes_no_time_to_load_torch() -> None:
    call = "main(['plan', '--corpus', 'librispeech'])"
    code = f"import sys; from asr.cli.main import main; {call}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "activations" not in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_a_world_of_no_device_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--world-size", "0"]) == 2
    assert "--world-size 0: must be at least 1" in capsys.readouterr().err
