"""How a run is kept: from learner and state to a checkpoint, and back."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import asdict, astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asr.checkpoint.background import Background
from asr.checkpoint.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_newest,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
    set_aside_later,
)
from asr.checkpoint.copies import Copies
from asr.config import Config
from asr.config_file import to_dict
from asr.data.audio import AudioReader
from asr.errors import UserError
from asr.pseudo.store import labels_of
from asr.scaling.adascale import Smoothed
from asr.scaling.clipping import RunningClip
from asr.scaling.tensors import bit_sums
from asr.science import Change, check_same_run
from asr.step.learner import Learner
from asr.step.optimizer import Taken
from asr.step.ranks import Ranks
from asr.step.sharding import load_whole, write_sharded
from asr.train.metrics import Totals
from asr.train.state import RunState


def model_digest(model: nn.Module) -> str:
    """Of all parameters' bits, summed up where they are: ranks compare it."""
    return hashlib.sha256(bit_sums(model).cpu().numpy().tobytes()).hexdigest()[:16]


class Keeper:
    """Of all that a step changes, on every rank."""

    def __init__(self, config: Config, learner: Learner, reader: AudioReader, ranks: Ranks, folder: Path) -> None:
        """`folder` is where the checkpoints lie."""
        self._background, self._copies, self._saved_at = Background(), Copies(), time.monotonic()
        self._config, self._learner, self._reader, self._ranks, self._folder = config, learner, reader, ranks, folder
        self.saved_step = 0
        """Of the newest checkpoint; it may still be being written."""
        self.changes: list[Change] = []
        """Of settings, since the checkpoint that was taken up."""

    def restore(self) -> RunState | None:
        """Take up the newest checkpoint; returns where the run stands, None where there is none.

        Raises:
            UserError: it is not one of this model, or ranks see different ones.
        """
        checkpoint = load_newest(self._folder)
        steps = self._ranks.gather(0 if checkpoint is None else checkpoint.step)
        if len(set(steps)) > 1:
            raise UserError(
                f"{self._folder}: the newest checkpoint is of another step on each machine ({steps}); the run's folder "
                "must be the same one for all of them"
            )
        if self._ranks.main:
            set_aside_later(self._folder, steps[0])
        if checkpoint is None:
            return None
        where = f"{self._folder}, step {checkpoint.step}"
        try:
            self.changes = check_same_run(checkpoint.state.get("settings", {}), to_dict(self._config), where)
            return self._take_up(checkpoint)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise UserError(
                f"{where}: the checkpoint is not of this model and these settings "
                f"({' '.join(str(error).split()):.200}); move it away, or train in another folder"
            ) from None

    def _take_up(self, checkpoint: Checkpoint) -> RunState:
        learner, content = self._learner, checkpoint.state
        load_whole(learner.student, checkpoint.tensors["student"])
        load_whole(learner.teacher, checkpoint.tensors["teacher"])
        for name, heads in learner.heads.items():
            load_whole(heads, checkpoint.tensors[f"{name}_heads"])
        restore_optimizer(learner.optimizer, checkpoint.tensors["optimizer"])
        learner.scaler.load_state_dict(content["scaler"])
        learner.students_weight = float(content["students_weight"])
        learner.clip, learner.taken = RunningClip(**content["clip"]), Taken(**content["taken"])
        state = RunState.of(content, self._config.batch.base_seconds, checkpoint.step)
        # Until pseudo-labels start nothing is known of them, and whatever other settings have is no concern of these.
        if state.positions.started:
            pseudo, columns = content["pseudo"], checkpoint.tensors.get("labels", {})
            labels = labels_of({name: tensor.numpy() for name, tensor in columns.items()}, pseudo["makers"])
            learner.pseudo.restore(pseudo, list(labels) if columns else [])
        if learner.meter is not None:
            learner.meter.smoothed = Smoothed(*content["noise"])
        # What all ranks met with is counted on, by one of them, whose bound is for its own share.
        self._reader.errors = dict(state.unreadable) if self._ranks.main else {}
        self._reader.others = len(self._reader.errors) - math.ceil(len(self._reader.errors) / self._ranks.world_size)
        if not self._ranks.main:
            state.totals = Totals()
        self.saved_step = checkpoint.step
        return state

    def due(self) -> bool:
        """Whether the checkpoint before is as old as the settings want it to be; the same on all ranks."""
        bound = 60 * self._config.train.checkpoint_minutes
        if bound == 0:
            return True
        old = self._ranks.main and time.monotonic() - self._saved_at >= bound
        return self._ranks.sum([float(old)])[0] > 0

    def save(self, state: RunState) -> None:
        """Write a checkpoint, once ranks have been found to agree on the teacher; all of them call it.

        What is written is a copy of how things stand now, and it is written while training goes on; not so where ranks
        hold parts of a model, which they write together.

        Raises:
            UserError: they do not agree, or there is no room, for this checkpoint or the one before.
        """
        self._background.wait()
        step = state.clock.steps
        if not self._learner.sharded:
            digests = self._ranks.gather(model_digest(self._learner.teacher))
            if len(set(digests)) > 1:
                raise UserError(f"step {step}: teachers differ between ranks ({digests}); not saved")
        totals = Totals.of(self._ranks.sum(state.totals.values()))
        for errors in self._ranks.gather(self._reader.errors):
            state.unreadable.update(errors)
        # Kept by rank 0, so that they are not counted more than once.
        state.totals = totals if self._ranks.main else Totals()
        if self._learner.sharded:
            checkpoint = self._checkpoint(state, totals)
            save_checkpoint(self._folder, checkpoint, partial(write_sharded, ranks=self._ranks), self._ranks.main)
            self._prune()
            self._ranks.wait()
        elif self._ranks.main:
            checkpoint = self._checkpoint(state, totals)
            checkpoint = replace(checkpoint, tensors=self._copies.take(checkpoint.tensors))
            self._background.begin(lambda: self._write(checkpoint))
        self.saved_step, self._saved_at = step, time.monotonic()

    def _write(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self._folder, checkpoint)
        self._prune()

    def _prune(self) -> None:
        if self._ranks.main:
            prune_checkpoints(self._folder, self._config.train.keep_last, self._config.train.keep_best)

    def check(self) -> None:
        """Raises UserError where a checkpoint that was to be written could not be."""
        self._background.check()

    def wait(self) -> None:
        """Until the newest checkpoint is on the disk, for all ranks. Raises UserError where it cannot be."""
        self._background.wait()
        self._ranks.wait()

    def close(self) -> None:
        """What is being written is left whole."""
        self._background.close()

    def _checkpoint(self, state: RunState, totals: Totals) -> Checkpoint:
        learner = self._learner
        columns, makers = learner.pseudo.kept().columns()
        tensors: dict[str, dict[str, Tensor]] = {
            "student": learner.student.state_dict(),
            "teacher": learner.teacher.state_dict(),
            "optimizer": flatten_optimizer(learner.optimizer.state_dict()),
        }
        tensors |= {f"{name}_heads": heads.state_dict() for name, heads in learner.heads.items()}
        if makers:
            tensors["labels"] = {name: torch.from_numpy(column) for name, column in columns.items()}
        content: dict[str, Any] = state.content(totals) | {
            "scaler": learner.scaler.state_dict(),
            "students_weight": learner.students_weight,
            "clip": asdict(learner.clip),
            "taken": asdict(learner.taken),
            "settings": to_dict(self._config),
            "pseudo": learner.pseudo.state() | {"makers": makers},
            "noise": None if learner.meter is None else astuple(learner.meter.smoothed),
        }
        return Checkpoint(state.clock.steps, tensors, content)
