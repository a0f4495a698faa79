"""The training loop: step, clock, log, evaluate, checkpoint; and how it goes on after a stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from asr.data.audio import AudioReader
from asr.decode.measure import Measure
from asr.errors import UserError
from asr.model.arrival import Arrival
from asr.pseudo.label import Label
from asr.scaling.plan import Plan
from asr.step.clock import Clock, passed, reached
from asr.step.feeder import Feeder, StepBatch
from asr.step.learner import Learner
from asr.step.ranks import Ranks
from asr.step.result import StepResult
from asr.train.corpus import Data
from asr.train.dev import Evaluation
from asr.train.initial import Initial
from asr.train.keeper import Keeper
from asr.train.metrics import MetricsFile, Totals, label_errors
from asr.train.progress import Progress
from asr.train.rehearsal import memory_bounds, rehearse
from asr.train.state import RunState
from asr.train.stop import Preempted

NAMED = 20
"""Utterances of a skipped step that are named at most."""


@dataclass(frozen=True)
class Machinery:
    """What a step goes through: audio is read, fed, learnt from; and what both models are measured by."""

    reader: AudioReader
    feeder: Feeder
    learner: Learner
    evaluation: Evaluation
    ranks: Ranks


class Loop:
    """One run, from its newest checkpoint (or the start) to its end."""

    def __init__(self, plan: Plan, data: Data, machinery: Machinery, run_dir: Path, stops: Sequence[int]) -> None:
        """`stops` is where signals to stop are found."""
        self.config, self.plan, self.data = plan.config, plan, data
        self.reader, self.feeder = machinery.reader, machinery.feeder
        self.learner, self.ranks = machinery.learner, machinery.ranks
        self.evaluation = machinery.evaluation
        self.run_dir, self.stops = run_dir, stops
        self.measure = Measure(data.tokenizer)
        self._signals: Arrival | None = None
        self.state = RunState(Clock(self.config.batch.base_seconds))
        self.keeper = Keeper(self.config, self.learner, self.reader, self.ranks, run_dir / "checkpoints")

    @property
    def done(self) -> bool:
        return reached(self.state.clock.hours, self.config.schedule.total_hours)

    def take_up(self, initial: Initial | None = None) -> None:
        """Stand where the newest checkpoint stands, or at the start, with the `initial` model if there is one.

        Raises:
            UserError: the checkpoint is not one of this run.
        """
        found = self.keeper.restore()
        if found is not None:
            self.state = found
        elif initial is not None:
            initial.load(self.learner.student, self.learner.teacher)
        begun = self.state.clock.steps
        if self.ranks.main:
            self.metrics = MetricsFile(self.run_dir / "metrics.jsonl", begun)
        self.progress = Progress(self.run_dir, self.plan.steps, begun, self.ranks.main, self.config.train.tensorboard)
        if begun:
            self.progress.say(f"going on from step {begun} ({self.state.clock.hours:.2f} h of audio)")
        elif initial is not None:
            for difference in initial.differences:
                self.progress.say(f"model.init = {initial.source}: {difference}")
        for change in self.keeper.changes:
            self.progress.say(f"the run goes on with another {change}")

    def run(self, stop_after: int | None = None, stop_hours: float | None = None) -> None:
        """Train to the end, or to step `stop_after`, or, with a checkpoint, to the first step that begins at
        `stop_hours` of audio.

        Raises:
            Preempted: on SIGTERM or SIGUSR1, after a checkpoint.
            UserError: too many skipped steps or unreadable utterances, or no room for a checkpoint.
        """
        pseudo = self.learner.pseudo
        batches = self.feeder.feed(self.state.clock, self.state.positions, partial(getattr, pseudo, "turnover"))
        try:
            if not self.done:
                rehearse(self.plan, self.learner, self.feeder)
            while not self.done and self.state.clock.steps != stop_after:
                if stop_hours is not None and reached(self.state.clock.hours, stop_hours):
                    self.progress.say(f"left at {self.state.clock.hours:g} h of audio{self._save_to_stop()}")
                    break
                if self._stopped():
                    raise Preempted(f"stopped by signal at step {self.state.clock.steps}{self._save_to_stop()}")
                self._advance(next(batches))
                self.keeper.check()
            self.keeper.wait()
        finally:
            self.keeper.close()
            self.progress.close()
            if self.ranks.main:
                self.metrics.close()

    def _stopped(self) -> bool:
        """Whether a signal stops the run here. Any rank's stops all of them at the same step."""
        if self.ranks.world_size == 1:
            return bool(self.stops)
        # Of several ranks what they said a step ago is read: nobody has to wait for it.
        said, self._signals = self._signals, self.ranks.begin_sum(len(self.stops))
        return said is not None and bool(said.read()[0])

    def _save(self) -> None:
        self._settle_churn()
        if self.ranks.main:
            self.metrics.sync()
        self.keeper.save(self.state)

    def _save_to_stop(self) -> str:
        """A checkpoint, where there is something to save; returns what to say of it."""
        if self.keeper.saved_step != self.state.clock.steps:
            self._save()
        self.keeper.wait()
        return "; a checkpoint is saved" if self.state.clock.steps else ""

    def _advance(self, batch: StepBatch) -> None:
        clock, settings = self.state.clock, self.config.train
        before = clock.hours
        with memory_bounds(self.config, f"at step {clock.steps + 1}"):
            result = self.learner.step(batch, clock)
        clock.tick(batch.cut.scale, result.gain)
        after = clock.hours
        self.state.positions = batch.positions
        self._take_up_labels(batch, result, before, after)
        texts = [(label.row, self.data.tokenizer.decode(label.tokens)) for _, label in result.labels]
        self.state.totals.add(result, label_errors(texts, self.data.label_references, self.measure))
        self._mind_skips(batch, result)
        self.progress.step(batch.seconds)
        last = self.done
        collapsed = ""
        if last or passed(before, after, settings.log_hours):
            collapsed = self._log(batch, result)
        if last or passed(before, after, settings.evaluate_hours):
            self._evaluate()
        if last or (passed(before, after, settings.checkpoint_hours) and self.keeper.due()):
            self._save()
        stops = (self.config.pseudo if self.data.text else self.config.objective).collapse == "stop"
        if collapsed and stops:
            section = "pseudo" if self.data.text else "objective"
            raise UserError(f"{collapsed}{self._save_to_stop()}; {section}.collapse: warn goes on in spite of it")

    def _take_up_labels(self, batch: StepBatch, result: StepResult, before: float, after: float) -> None:
        """Let every rank know a step's labels, where it may be asked for them."""
        pseudo = self.learner.pseudo
        if not batch.positions.started:
            return
        if not pseudo.shared:
            pseudo.wait(self.state.clock.steps, result.labels)
            return
        # In the order of the global batch, on whatever rank they were made.
        made = [pair for part in self.ranks.gather(result.labels) for pair in part]
        labels: list[Label] = [label for _, label in sorted(made, key=lambda pair: (pair[0], pair[1].row))]
        pseudo.take_up(labels, batch.released, before, after)

    def _settle_churn(self) -> None:
        """Measure on labels of all ranks how much they change, where no step has made them known to all."""
        made = [one for part in self.ranks.gather(self.learner.pseudo.waiting()) for one in part]
        churn, compared = self.learner.pseudo.settle(made)
        if self.ranks.main:
            self.state.totals.label_churn += churn
            self.state.totals.labels_compared += compared

    def _mind_skips(self, batch: StepBatch, result: StepResult) -> None:
        if result.moved:
            self.state.skipped_in_a_row = 0
            return
        self.state.skipped_in_a_row += 1
        step = self.state.clock.steps
        self.progress.say(
            f"step {step}: gradient norm {result.grad_norm}, step skipped; utterances "
            + self._name_suspects(batch, result)
        )
        bound = self.config.train.max_skipped_steps
        if self.state.skipped_in_a_row > bound:
            raise UserError(
                f"step {step}: {self.state.skipped_in_a_row} steps in a row had a loss or gradient that is not "
                "finite; lower optimizer.lr, lengthen schedule.warmup_hours or use train.precision: fp32"
            )

    def _name_suspects(self, batch: StepBatch, result: StepResult) -> str:
        """Ids of the micro-batches, on any rank, whose loss is not finite; where there is none, of all of them."""
        blamed: list[str] = []
        others: list[str] = []
        for work in batch.work:
            ids = [self.feeder.planner.manifest(work.use).ids[int(row)] for row in work.batch.rows]
            loss = float(result.losses[work.index]) if work.index in result.losses else 0.0
            (others if math.isfinite(loss) else blamed).extend(ids)
        parts = self.ranks.gather((blamed, others))
        ids = [i for part in parts for i in part[0]] or [i for part in parts for i in part[1]]
        return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")

    def _log(self, batch: StepBatch, result: StepResult) -> str:
        """Log what was measured since the last time; returns how labels have collapsed, if they have."""
        self._settle_churn()
        totals = Totals.of(self.ranks.sum(self.state.totals.values()))
        self.state.totals = Totals()
        line = {
            "kind": "train",
            **self._where(),
            "batch_scale": batch.cut.scale,
            "gain": result.gain,
            "lr": result.learning_rate,
            **totals.line(self.ranks.world_size, self.data.labeled_rate, self.measure.rate),
            "momentum": 1 - result.teacher_rate,
        }
        if self.config.pseudo.turnover == "churn":
            line["turnover"] = self.learner.pseudo.turnover
        if self.ranks.main:
            self.metrics.write(line)
        self.progress.log(line)
        collapsed = totals.collapse(self.data.labeled_rate, self._warmed_up)
        if collapsed:
            collapsed = f"step {self.state.clock.steps}: {collapsed}"
            self.progress.say(collapsed)
        return collapsed

    @property
    def _warmed_up(self) -> bool:
        return reached(self.state.clock.hours, self.config.schedule.warmup_hours)

    def _where(self) -> dict[str, Any]:
        """Beginning of every line of metrics."""
        clock = self.state.clock
        return {"step": clock.steps, "hours": clock.hours, "audio_hours": clock.audio_hours}

    def _evaluate(self) -> None:
        found = self.evaluation.errors({"student": self.learner.student, "teacher": self.learner.teacher})
        line = {"kind": "dev", **self._where(), **found}
        self.state.dev_rates = {subset: scores[self.evaluation.rate] for subset, scores in found["teacher"].items()}
        if self.ranks.main:
            self.metrics.write(line)
        self.progress.log(line)
