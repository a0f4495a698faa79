from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from asr.checkpoint.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
    set_aside_later,
)
from asr.errors import UserError


def save(folder: Path, step: int, wer: float | None = None) -> Path:
    tensors = {"student": {"w": torch.full((3,), float(step))}, "teacher": {"w": torch.zeros(2)}}
    return save_checkpoint(folder, Checkpoint(step, tensors, {"dev_wer": wer, "base_steps": step / 2}))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 12)
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded.step == 12
    assert loaded.state == {"dev_wer": None, "base_steps": 6.0}
    assert loaded.tensors["student"]["w"].tolist() == [12, 12, 12]


def test_an_empty_folder_holds_no_checkpoint(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "none") is None


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no state", "other state"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2) / "student.safetensors"
    content = path.read_bytes()
    if damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(content[:-4])
    elif damage == "remove":
        path.unlink()
    elif damage == "no state":
        path = path.with_name("state.json")
        path.write_text("{")
    else:
        path = path.with_name("state.json")
        path.write_text(path.read_text().replace('"base_steps": 1.0', '"base_steps": 1.5'))
    with pytest.warns(UserWarning, match=path.name):
        loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded.step == 1


def test_a_later_format_is_refused_by_name(tmp_path: Path) -> None:
    state = save(tmp_path, 3) / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"format": 99}))
    with pytest.raises(UserError, match="checkpoint format 99"):
        load_newest(tmp_path)


def test_leftovers_of_a_killed_save_are_never_loaded(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".step-00000002.partial").mkdir()
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded.step == 1
    save(tmp_path, 2)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000001", "step-00000002"]


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    for step, wer in enumerate([0.5, 0.2, 0.3, None, 0.4, 0.6], 1):
        save(tmp_path, step, wer)
    prune_checkpoints(tmp_path, keep_last=2, keep_best=2)
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path)] == [2, 3, 5, 6]
    assert not list(tmp_path.glob(".*"))
    assert load_checkpoint(tmp_path / "latest").step == 6


def test_a_dev_subset_that_came_later_does_not_decide_which_checkpoints_are_best(tmp_path: Path) -> None:
    for step, rates in enumerate([{"a": 0.2}, {"a": 0.1}, {"a": 0.15, "b": 0.9}, {"a": 0.3, "b": 0.1}], 1):
        save_checkpoint(tmp_path, Checkpoint(step, {}, {"dev_rates": rates}))
    prune_checkpoints(tmp_path, keep_last=1, keep_best=2)
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path)] == [2, 3, 4]


def test_latest_leads_to_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
        assert load_checkpoint(tmp_path / "latest").step == step


def test_a_checkpoint_of_the_format_before_is_still_read(tmp_path: Path) -> None:
    state = save(tmp_path, 3) / "state.json"
    content = json.loads(state.read_text())
    del content["seal"]
    state.write_text(json.dumps(content | {"format": 1}))
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded.step == 3


def test_damaged_checkpoints_are_set_aside_and_do_not_count_as_the_newest(tmp_path: Path) -> None:
    save(tmp_path, 10)
    (save(tmp_path, 20) / "student.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        loaded = load_newest(tmp_path)
    assert loaded is not None
    set_aside_later(tmp_path, loaded.step)
    assert load_checkpoint(tmp_path / "latest").step == 10
    save(tmp_path, 12)
    prune_checkpoints(tmp_path, keep_last=1, keep_best=1)
    assert load_checkpoint(tmp_path / "latest").step == 12
    save(tmp_path, 20)
    prune_checkpoints(tmp_path, keep_last=1, keep_best=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["damaged-step-00000020", "latest", "step-00000020"]


def test_where_all_are_damaged_none_is_left_to_lead_to(tmp_path: Path) -> None:
    (save(tmp_path, 3) / "state.json").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert load_newest(tmp_path) is None
    set_aside_later(tmp_path, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["damaged-step-00000003"]


def test_no_room_is_a_clear_error_and_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asr.checkpoint.checkpoint.write_tensors", full)
    with pytest.raises(UserError, match="No space left"):
        save(tmp_path, 2)
    monkeypatch.undo()
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded.step == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "step-00000001"]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimizer_goes_on_as_if_it_had_not_stopped(kind: type[torch.optim.Optimizer], tmp_path: Path) -> None:
    def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            model.zero_grad()
            model(torch.full((1, 4), float(step))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    model = nn.Linear(4, 2)
    optimizer = kind(model.parameters(), lr=1e-3, **extra)
    train(model, optimizer, range(3))
    flat = {"student": dict(model.state_dict()), "optimizer": flatten_optimizer(optimizer.state_dict())}
    save_checkpoint(tmp_path, Checkpoint(3, flat, {}))
    train(model, optimizer, range(3, 6))
    again = nn.Linear(4, 2)
    other = kind(again.parameters(), lr=1e-3, **extra)
    loaded = load_newest(tmp_path)
    assert loaded is not None
    again.load_state_dict(loaded.tensors["student"])
    restore_optimizer(other, loaded.tensors["optimizer"])
    train(again, other, range(3, 6))
    assert torch.equal(model.weight, again.weight)
