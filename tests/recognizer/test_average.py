from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from small_model import SMALL, make_run

from asr.cli.main import main
from asr.errors import UserError
from asr.recognizer.average import average_checkpoints, average_models, choose_checkpoints
from asr.recognizer.trained import find_trained


def test_the_average_is_the_mean_of_the_chosen_model_s_weights(small_run: Path) -> None:
    for model in ("student", "teacher"):
        parts = [find_trained(small_run / "checkpoints" / f"step-0000000{n}", model).weights for n in (2, 3)]
        mean = average_checkpoints(small_run, 2, best=False, model=model).weights
        for name, tensor in mean.items():
            torch.testing.assert_close(tensor, (parts[0][name] + parts[1][name]) / 2)


def test_best_are_those_of_lowest_dev_wer(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    for step, wer in ((1, 0.2), (2, 0.4), (3, None)):
        path = run / "checkpoints" / f"step-{step:08d}" / "state.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"dev_wer": wer}))

    def names(count: int, best: bool) -> list[str]:
        return [path.name[-1] for path in choose_checkpoints(run, count, best)]

    assert names(1, True) == ["1"]
    assert names(2, True) == ["1", "2"]
    assert names(1, False) == ["3"]
    assert names(2, False) == ["2", "3"]
    with pytest.raises(UserError, match=r"2 scored checkpoints, 3 asked for.*train\.keep_best"):
        names(3, True)


def test_too_few_checkpoints_are_a_user_error(small_run: Path) -> None:
    with pytest.raises(UserError, match=r"3 checkpoints, 4 asked for.*train\.keep_last"):
        average_checkpoints(small_run, 4, best=False)
    with pytest.raises(UserError, match="0 checkpoints asked for: must be 1 or more"):
        average_checkpoints(small_run, 0, best=False)
    with pytest.raises(UserError, match="tokens: no checkpoints; expected a run's folder"):
        average_checkpoints(small_run / "tokens", 2, best=False)


def test_the_averaged_folder_is_a_model_to_transcribe_with(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["average", str(small_run), str(tmp_path / "mean"), "--last", "3"]) == 0
    assert capsys.readouterr().out.startswith("step-00000001, step-00000002, step-00000003\n")
    assert find_trained(tmp_path / "mean").origin["model"] == "student"
    assert main(["transcribe", str(tmp_path / "mean"), str(audio_folder / "a.flac")]) == 0
    assert capsys.readouterr().out.endswith("\n")


def test_the_mean_of_models_is_that_of_their_weights(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [small_run / "checkpoints" / f"step-0000000{n}" for n in (1, 2, 3)]
    assert main(["average", str(paths[0]), str(tmp_path / "mean"), *(f"--with={path}" for path in paths[1:])]) == 0
    assert capsys.readouterr().out.endswith(f"{tmp_path / 'mean'}\n")
    parts = [find_trained(path, "teacher").weights for path in paths]
    for name, tensor in find_trained(tmp_path / "mean").weights.items():
        torch.testing.assert_close(tensor, sum(part[name] for part in parts) / 3)


def test_models_of_other_tokens_or_shapes_have_no_mean(small_run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", dataclasses.replace(SMALL, width=64))
    with pytest.raises(UserError, match=r"other: has other weights, tokens or features than .*they have no mean"):
        average_models([small_run, other])
    # Nor do weights of one shape that are used otherwise.
    heads = make_run(tmp_path / "heads", dataclasses.replace(SMALL, heads=SMALL.heads * 2))
    with pytest.raises(UserError, match=rf"heads: model.heads is {SMALL.heads * 2}, and {SMALL.heads} in .*no mean"):
        average_models([small_run, heads])
