"""The training loop: step, clock, log, evaluate, checkpoint; and how it goes on after a stop."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from asr.config import Config
from asr.data.audio import AudioReader
from asr.decode.decoder import Decoder, in_order, references
from asr.decode.measure import Measure
from asr.errors import UserError
from asr.scaling.adascale import Smoothed
from asr.scaling.plan import Plan
from asr.train.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_newest,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
    set_aside_later,
)
from asr.train.clock import Clock, passed, reached
from asr.train.corpus import Data
from asr.train.feeder import Feeder, Positions, StepBatch
from asr.train.learner import Learner, StepResult
from asr.train.metrics import MetricsFile, Totals, label_errors
from asr.train.progress import Progress
from asr.train.ranks import Ranks
from asr.train.rehearsal import memory_bounds, rehearse
from asr.train.sharding import load_whole, write_sharded
from asr.train.stop import Preempted

NAMED = 20
"""Utterances of a skipped step that are named at most."""


def model_digest(model: nn.Module) -> str:
    """SHA-256 of all parameters: ranks compare it."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _finite(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{value!r} where a number of batches should be")
    return value


def _position(values: Sequence[int]) -> tuple[int, int]:
    epoch, offset = values
    if not (0 <= epoch < 2**31 and 0 <= offset < 2**31):
        raise ValueError(f"{values!r} where an epoch and a micro-batch should be")
    return epoch, offset


class Loop:
    """One run, from its newest checkpoint (or the start) to its end."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        learner: Learner,
        feeder: Feeder,
        reader: AudioReader,
        data: Data,
        ranks: Ranks,
        run_dir: Path,
        stops: Sequence[int],
    ) -> None:
        """`stops` is where signals to stop are found."""
        self.config, self.plan, self.learner, self.feeder = config, plan, learner, feeder
        self.data, self.ranks, self.reader, self.run_dir = data, ranks, reader, run_dir
        self.stops = stops
        self.decoder = Decoder(config, data.tokenizer, learner.features, ranks.device, learner.autocast)
        self.measure = Measure(data.tokenizer)
        self.clock = Clock(config.batch.base_seconds)
        self.positions = Positions()
        self.totals = Totals()
        self.dev_wer: float | None = None
        self.skipped_in_a_row = 0
        self.saved_step = 0
        self.unreadable: dict[str, str] = {}
        """By utterance id, of all ranks, up to the newest checkpoint."""
        self.folder = run_dir / "checkpoints"

    @property
    def done(self) -> bool:
        return reached(self.clock.hours, self.config.schedule.total_hours)

    def restore(self) -> int:
        """Take up the newest checkpoint; returns its step, 0 where there is none.

        Raises:
            UserError: it is not one of this model, or ranks see different ones.
        """
        checkpoint = load_newest(self.folder)
        steps = self.ranks.gather(0 if checkpoint is None else checkpoint.step)
        if len(set(steps)) > 1:
            raise UserError(
                f"{self.folder}: the newest checkpoint is of another step on each machine ({steps}); the run's folder "
                "must be the same one for all of them"
            )
        if self.ranks.main:
            set_aside_later(self.folder, steps[0])
        if checkpoint is None:
            return 0
        try:
            self._take_up(checkpoint)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise UserError(
                f"{self.folder}, step {checkpoint.step}: the checkpoint is not of this model and these settings "
                f"({' '.join(str(error).split()):.200}); move it away, or train in another folder"
            ) from None
        return checkpoint.step

    def _take_up(self, checkpoint: Checkpoint) -> None:
        load_whole(self.learner.student, checkpoint.tensors["student"])
        load_whole(self.learner.teacher, checkpoint.tensors["teacher"])
        restore_optimizer(self.learner.optimizer, checkpoint.tensors["optimizer"])
        state = checkpoint.state
        self.learner.scaler.load_state_dict(state["scaler"])
        steps, batches = (_finite(state[name]) for name in ("base_steps", "base_batches"))
        self.clock = Clock(self.config.batch.base_seconds, checkpoint.step, steps, batches)
        if self.learner.meter is not None:
            self.learner.meter.smoothed = Smoothed(*state["noise"])
        labeled, unlabeled = (_position(state[kind]) for kind in ("labeled", "unlabeled"))
        self.positions = Positions(labeled, unlabeled, bool(state["pseudo_labels_started"]))
        # Sums of all ranks so far: kept by rank 0, so that they are not counted more than once.
        self.totals = Totals.of(state["totals"]) if self.ranks.main else Totals()
        self.dev_wer, self.skipped_in_a_row = state["dev_wer"], state["skipped_in_a_row"]
        self.unreadable = dict(state.get("unreadable", {}))
        # As with the totals: what all ranks met with is counted on, by one of them.
        self.reader.errors = dict(self.unreadable) if self.ranks.main else {}
        self.saved_step = checkpoint.step

    def save(self) -> None:
        """Write a checkpoint, once ranks have been found to agree on the teacher."""
        if not self.learner.sharded:
            digests = self.ranks.gather(model_digest(self.learner.teacher))
            if len(set(digests)) > 1:
                raise UserError(f"step {self.clock.steps}: teachers differ between ranks ({digests}); not saved")
        totals = Totals.of(self.ranks.sum(self.totals.values()))
        for errors in self.ranks.gather(self.reader.errors):
            self.unreadable.update(errors)
        # Kept by rank 0, so that they are not counted more than once.
        self.totals = totals if self.ranks.main else Totals()
        if self.ranks.main:
            self.metrics.sync()
        checkpoint = Checkpoint(self.clock.steps, self._tensors(), self._state(totals))
        if self.learner.sharded:
            save_checkpoint(self.folder, checkpoint, partial(write_sharded, ranks=self.ranks), self.ranks.main)
        elif self.ranks.main:
            save_checkpoint(self.folder, checkpoint)
        if self.ranks.main:
            prune_checkpoints(self.folder, self.config.train.keep_last, self.config.train.keep_best)
        self.saved_step = self.clock.steps
        self.ranks.wait()

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        return {
            "student": self.learner.student.state_dict(),
            "teacher": self.learner.teacher.state_dict(),
            "optimizer": flatten_optimizer(self.learner.optimizer.state_dict()),
        }

    def _state(self, totals: Totals) -> dict[str, Any]:
        """All that is not a tensor."""
        return {
            "base_steps": self.clock.base_steps,
            "base_batches": self.clock.base_batches,
            "hours": self.clock.hours,
            "labeled": list(self.positions.labeled),
            "unlabeled": list(self.positions.unlabeled),
            "pseudo_labels_started": self.positions.started,
            "totals": totals.values(),
            "dev_wer": self.dev_wer,
            "skipped_in_a_row": self.skipped_in_a_row,
            "unreadable": dict(sorted(self.unreadable.items())),
            "scaler": self.learner.scaler.state_dict(),
            "noise": None if self.learner.meter is None else astuple(self.learner.meter.smoothed),
        }

    def run(self, stop_after: int | None = None) -> None:
        """Train to the end, or to step `stop_after`.

        Raises:
            Preempted: on SIGTERM or SIGUSR1, after a checkpoint.
            UserError: too many skipped steps or unreadable utterances, or no room for a checkpoint.
        """
        begun = self.restore()
        if self.ranks.main:
            self.metrics = MetricsFile(self.run_dir / "metrics.jsonl", begun)
        self.progress = Progress(self.run_dir, self.plan.steps, begun, self.ranks.main, self.config.train.tensorboard)
        if begun:
            self.progress.say(f"going on from step {begun} ({self.clock.hours:.2f} h of audio)")
        batches = self.feeder.feed(self.clock, self.positions)
        try:
            if not self.done:
                rehearse(self.plan, self.learner, self.feeder)
            while not self.done and self.clock.steps != stop_after:
                # Any rank's signal stops all of them at the same step.
                if self.ranks.sum([len(self.stops)])[0] > 0:
                    if self.saved_step != self.clock.steps:
                        self.save()
                    saved = "; a checkpoint is saved" if self.clock.steps else ""
                    raise Preempted(f"stopped by signal at step {self.clock.steps}{saved}")
                self._advance(next(batches))
        finally:
            self.progress.close()
            if self.ranks.main:
                self.metrics.close()

    def _advance(self, batch: StepBatch) -> None:
        clock, settings = self.clock, self.config.train
        before = clock.hours
        with memory_bounds(self.config, f"at step {clock.steps + 1}"):
            result = self.learner.step(batch, clock)
        clock.tick(batch.cut.scale, result.gain)
        after = clock.hours
        self.positions = batch.positions
        texts = [(row, self.data.tokenizer.decode(ids)) for row, ids in result.labels]
        self.totals.add(result, label_errors(texts, self.data.label_references, self.measure))
        self._mind_skips(batch, result)
        self.progress.step(batch.seconds)
        last = self.done
        if last or passed(before, after, settings.log_hours):
            self._log(batch, result)
        if last or passed(before, after, settings.evaluate_hours):
            self._evaluate()
        if last or passed(before, after, settings.checkpoint_hours):
            self.save()

    def _mind_skips(self, batch: StepBatch, result: StepResult) -> None:
        if result.moved:
            self.skipped_in_a_row = 0
            return
        self.skipped_in_a_row += 1
        self.progress.say(
            f"step {self.clock.steps}: gradient norm {result.grad_norm}, step skipped; utterances "
            + self._name_suspects(batch, result)
        )
        bound = self.config.train.max_skipped_steps
        if self.skipped_in_a_row > bound:
            raise UserError(
                f"step {self.clock.steps}: {self.skipped_in_a_row} steps in a row had a loss or gradient that is not "
                "finite; lower optimizer.lr, lengthen schedule.warmup_hours or use train.precision: fp32"
            )

    def _name_suspects(self, batch: StepBatch, result: StepResult) -> str:
        """Ids of the micro-batches, on any rank, whose loss is not finite; where there is none, of all of them."""
        blamed: list[str] = []
        others: list[str] = []
        for work in batch.work:
            ids = [self.feeder.manifest(work.labeled).ids[int(row)] for row in work.batch.rows]
            (others if math.isfinite(float(result.losses[work.index])) else blamed).extend(ids)
        parts = self.ranks.gather((blamed, others))
        ids = [i for part in parts for i in part[0]] or [i for part in parts for i in part[1]]
        return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")

    def _log(self, batch: StepBatch, result: StepResult) -> None:
        totals = Totals.of(self.ranks.sum(self.totals.values()))
        self.totals = Totals()
        line = {
            "kind": "train",
            "step": self.clock.steps,
            "hours": self.clock.hours,
            "audio_hours": self.clock.audio_hours,
            "batch_scale": batch.cut.scale,
            "gain": result.gain,
            "lr": result.learning_rate,
            **totals.line(self.ranks.world_size, self.measure.rate),
            "momentum": 1 - result.teacher_rate,
        }
        if self.ranks.main:
            self.metrics.write(line)
        self.progress.log(line)

    def _evaluate(self) -> None:
        models = {"student": self.learner.student, "teacher": self.learner.teacher}
        clock = self.clock
        line: dict[str, Any] = {
            "kind": "dev",
            "step": clock.steps,
            "hours": clock.hours,
            "audio_hours": clock.audio_hours,
        }
        # A pass through a sharded model is one that all ranks take part in: each decodes everything.
        share = (0, 1) if self.learner.sharded else (self.ranks.rank, self.ranks.world_size)
        rates: list[float] = []
        for subset, manifest in self.data.dev.items():
            part = self.decoder.texts(models, manifest, self.reader, share)
            parts = self.ranks.gather(part)
            for name in models:
                texts = in_order([p[name] for p in parts], len(manifest))
                line.setdefault(name, {})[subset] = self.measure.rates(references(manifest), texts)
            rates.append(line["teacher"][subset][self.measure.rate])
        self.dev_wer = sum(rates) / len(rates) if rates else None
        if self.ranks.main:
            self.metrics.write(line)
        self.progress.log(line)
