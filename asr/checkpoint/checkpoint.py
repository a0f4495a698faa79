"""Checkpoints: one directory each, written aside and renamed, read without running any code from them.

`step-00001200/` holds safetensors files and `state.json`, which carries their SHA-256 and its own. A directory
that bears its final name is complete; one that was damaged later is noticed and the one before is used. The link
`latest` leads to the newest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asr.checkpoint.tensor_file import write_tensors
from asr.errors import UserError
from asr.step.sharding import cut_like

FORMAT = 2
"""1 had no checksum over the state itself."""
Tensors = dict[str, Tensor]
Writer = Callable[[Path, Mapping[str, Mapping[str, Tensor]]], Mapping[str, str]]
"""Puts `NAME.safetensors` for each of some named tensors into a folder, and returns the digests that it knows, by name;
raises OSError or SafetensorError."""


@dataclass(frozen=True)
class Checkpoint:
    step: int
    tensors: dict[str, Tensors]
    """By file: student, teacher, optimizer, the heads of either, and labels."""
    state: dict[str, Any]


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be read back as it was written."""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    """Digest of all that `state.json` says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    # Out of the way first: half a deleted checkpoint must not bear a checkpoint's name.
    doomed = path.with_name(f".{path.name}.deleted")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _link_latest(path: Path) -> None:
    link = path.with_name(".latest.partial")
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(path.with_name("latest"))


def write_whole(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, str]:
    """Each of `tensors`, held by this process alone, as `NAME.safetensors`; returns their digests."""
    return {name: write_tensors(folder / f"{name}.safetensors", part) for name, part in tensors.items()}


def _complete(aside: Path, final: Path, checkpoint: Checkpoint, known: Mapping[str, str]) -> None:
    """Add `state.json`, make sure that all is on the disk, and give it its name. Some files' digests are `known`."""
    digests: dict[str, str] = {}
    for name in checkpoint.tensors:
        path = aside / f"{name}.safetensors"
        digests[path.name] = known[name] if name in known else _digest(path)
        _flush(path)
    content = {"format": FORMAT, "step": checkpoint.step, "sha256": digests, **checkpoint.state}
    state = aside / "state.json"
    state.write_text(json.dumps(content | {"seal": _seal(content)}, indent=1) + "\n", encoding="utf-8")
    _flush(state)
    _flush(aside)
    aside.rename(final)
    _link_latest(final)
    _flush(final.parent)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, write: Writer = write_whole, main: bool = True) -> Path:
    """Write a checkpoint below `folder`. Until the last rename nothing of it is visible.

    Args:
        write: what writes the tensors; one in which several ranks take part has all of them call this.
        main: whether this rank does the rest.

    Raises:
        UserError: the disk is full or not writable; checkpoints written before are untouched.
    """
    final = folder / f"step-{checkpoint.step:08d}"
    aside = folder / f".{final.name}.partial"
    try:
        if main:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
        digests = write(aside, checkpoint.tensors)
        if main:
            _complete(aside, final, checkpoint, digests)
    except (OSError, SafetensorError) as error:
        if main:
            shutil.rmtree(aside, ignore_errors=True)
        raise UserError(
            f"{final}: cannot write the checkpoint ({error}); the one before it is intact. Make room and run "
            "the same command again"
        ) from None
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint, and compare it with its checksums.

    Raises:
        UserError: it was written by a later version of this program.
        DamagedCheckpoint: a file is missing or is not what was written.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        seal, version = state.pop("seal", None), int(state["format"])
        # A later format may be sealed otherwise.
        if version > FORMAT:
            raise UserError(f"{path}: checkpoint format {version}, but this program reads up to {FORMAT}; update it")
        if version > 1 and seal != _seal(state):
            raise DamagedCheckpoint(f"{path / 'state.json'}: does not match its checksum")
        step, digests = int(state.pop("step")), dict(state.pop("sha256"))
        del state["format"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path / 'state.json'}: {error!r}") from None
    tensors: dict[str, Tensors] = {}
    for name, digest in digests.items():
        file = path / Path(str(name)).name
        try:
            if _digest(file) != digest:
                raise DamagedCheckpoint(f"{file}: does not match its checksum")
            tensors[file.stem] = load_file(file)
        except (OSError, SafetensorError) as error:
            raise DamagedCheckpoint(f"{file}: {error}") from None
    return Checkpoint(step, tensors, state)


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(p for p in folder.glob("step-*") if p.is_dir() and p.name[5:].isdecimal())


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where there is none. Warns of each damaged one passed over."""
    for path in reversed(list_checkpoints(folder)):
        try:
            return load_checkpoint(path)
        except DamagedCheckpoint as error:
            warnings.warn(f"damaged checkpoint, going back to the one before: {error}", stacklevel=2)
    return None


def set_aside_later(folder: Path, step: int) -> None:
    """Rename checkpoints after `step`, 0 for all of them, to `damaged-step-…`.

    They were passed over: they must neither count as the newest ones to keep nor stand where others will be written.
    """
    paths = list_checkpoints(folder)
    good = [path for path in paths if int(path.name.removeprefix("step-")) <= step]
    if good:
        _link_latest(good[-1])
    elif paths:
        (folder / "latest").unlink(missing_ok=True)
    for path in paths[len(good) :]:
        aside = path.with_name(f"damaged-{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)


def _dev_rates(path: Path) -> dict[str, float]:
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        # Older checkpoints have only the mean.
        rates = state.get("dev_rates") or ({} if state.get("dev_wer") is None else {"mean": state["dev_wer"]})
        return {str(subset): float(rate) for subset, rate in rates.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def best_first(paths: Sequence[Path]) -> list[Path]:
    """Checkpoints that were evaluated, those of lowest dev error first, and of equals the newer one.

    A dev subset that came or went on the way does not count: the mean is over those that all of them were scored on.
    """
    scored = [(path, rates) for path in reversed(paths) if (rates := _dev_rates(path))]
    common = set.intersection(*(set(rates) for _, rates in scored)) if scored else set()
    means = [(sum(rates[subset] for subset in common) / max(len(common), 1), path) for path, rates in scored]
    return [path for _, path in sorted(means, key=lambda pair: pair[0])] if common else []


def prune_checkpoints(folder: Path, keep_last: int, keep_best: int) -> None:
    """Delete all but the newest `keep_last` and the `keep_best` of lowest dev WER (the newer one on a tie)."""
    paths = list_checkpoints(folder)
    best = best_first(paths)[:keep_best]
    for path in paths[: -max(keep_last, 1)]:
        if path not in best:
            _delete(path)
    for left in folder.glob(".step-*.deleted"):
        shutil.rmtree(left, ignore_errors=True)


def flatten_optimizer(state: Mapping[str, Any]) -> Tensors:
    """An optimizer's `state_dict()["state"]` as tensors by `parameter.quantity`."""
    flat: Tensors = {}
    for index, entry in state["state"].items():
        for key, value in entry.items():
            if value is not None:
                flat[f"{index}.{key}"] = torch.as_tensor(value)
    return flat


def restore_optimizer(optimizer: torch.optim.Optimizer, flat: Tensors) -> None:
    """Put `flatten_optimizer`'s tensors back; learning rates and the like stay as constructed."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        index, key = name.split(".", 1)
        own = tensor.reshape(()) if key == "step" else cut_like(tensor, parameters[int(index)])
        state.setdefault(int(index), {})[key] = own
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
