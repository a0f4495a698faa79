"""Student, teacher and optimizer, and one step of all three."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.profiler import record_function
from torch.nn.parallel import DistributedDataParallel

from asr.config import Config
from asr.data.features import LogMel, pad_waveforms
from asr.errors import UserError
from asr.model.encoder import Encoder, Regularizer
from asr.model.precision import autocast, autocast_type
from asr.objective.recognition import Recognition, Target
from asr.pseudo.label import Label
from asr.pseudo.pseudo_labels import PseudoLabels, Tally
from asr.pseudo.store import LabelStore
from asr.pseudo.strategy import LABELED, draws
from asr.pseudo.teacher import Answer, Asking, make_teacher, move_teacher
from asr.scaling.clipping import RunningClip
from asr.scaling.plan import Plan
from asr.scaling.rules import corrected_rate
from asr.schedule import value_at
from asr.train.augment import augment
from asr.train.clock import Clock, learning_rate_share
from asr.train.feeder import StepBatch, Work
from asr.train.gain import COPIES_OF_METER, GainMeter, audio_seconds, group_work
from asr.train.optimizer import MOMENTS, make_optimizer, set_steps, set_values
from asr.train.ranks import Ranks
from asr.train.sharding import joined, shard


@dataclass
class StepResult:
    """`loss_*` are summed over this rank's `utterances_*`, in nats."""

    loss_labeled: float = 0.0
    loss_unlabeled: float = 0.0
    utterances_labeled: int = 0
    utterances_unlabeled: int = 0
    grad_norm: float = 0.0
    moved: bool = False
    """False where loss or gradient were not finite: nothing was changed."""
    tally: Tally = field(default_factory=Tally)
    clipped: bool = False
    gain: float = 1.0
    """Base steps that this one is worth: κ, or what AdaScale measured."""
    learning_rate: float = 0.0
    teacher_rate: float = 0.0
    losses: dict[int, Tensor] = field(default_factory=dict)
    """Of each micro-batch by its index, still on the device."""
    labels: list[tuple[int, Label]] = field(default_factory=list)
    """Index of the micro-batch, and label, for all that were made, kept or not."""


class Learner:
    """Everything that a training step changes."""

    def __init__(
        self, config: Config, plan: Plan, tokens: int, texts: LabelStore, pseudo: PseudoLabels, ranks: Ranks
    ) -> None:
        """
        Args:
            config: all settings.
            plan: what follows from them and κ.
            tokens: size of the inventory.
            texts: true text of the labeled utterances.
            pseudo: labels of the others.
            ranks: this process among all.
        """
        self.config, self.plan, self.ranks = config, plan, ranks
        self._texts, self.pseudo = texts, pseudo
        self.objective = Recognition(config.objective)
        torch.manual_seed(config.seed)
        frame_seconds = config.features.shift_ms / 1000
        self.student = Encoder(config.features.mels, tokens, config.model, frame_seconds).to(ranks.device)
        self.teacher = make_teacher(self.student)
        self.students_weight = 0.0
        """Of all students so far in a teacher that is not corrected, the rest being its start's."""
        self.clip = RunningClip(config.optimizer.clip_ratio)
        self.features = LogMel(config.features).to(ranks.device)
        self.sharded = config.train.engine == "fsdp" and ranks.world_size > 1
        if self.sharded:
            if config.train.precision == "fp16" or plan.adascale:
                raise UserError("train.engine: fsdp does without fp16 and scaling.adascale; set precision to bf16")
            for model in (self.student, self.teacher):
                shard(model, ranks)
        cut = plan.at(0.0)
        self.optimizer = make_optimizer(self.student, config.optimizer, plan.values(cut.scale).optimizer, fused=True)
        kind = autocast_type(config.train.precision, ranks.device)
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=kind is torch.float16)
        self.meter: GainMeter | None = None
        # A step of a single group shows no noise and is worth its audio.
        if plan.adascale and cut.whole.count > 1:
            if self.scaler.is_enabled():
                raise UserError(
                    "scaling.adascale cannot measure gradients that fp16 scales; set train.precision to bf16"
                )
            self.meter = GainMeter(self.student, self.optimizer, config, cut.whole.count, ranks)
        self.parallel: nn.Module = self.student
        if ranks.world_size > 1 and self.meter is None and not self.sharded:
            ids = [ranks.device.index] if ranks.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(self.student, device_ids=ids, gradient_as_bucket_view=True)
        labeler = self.student if config.pseudo.labels == "student" else self.teacher
        self.autocast = partial(autocast, kind, ranks.device)
        self._asking = Asking(labeler, config.pseudo, self.objective.wants_teacher, self.autocast)

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Let student and teacher start from a trained model. Raises RuntimeError where it is another model."""
        for model in (self.student, self.teacher):
            model.load_state_dict(weights)

    def load(self, work: Work) -> tuple[Tensor, Tensor]:
        """Clean features `(batch, frames, mels)` and real frames `(batch,)` on the device."""
        # A rank without an utterance takes silence, so that it has a gradient, of 0, to give.
        samples = work.samples or [np.zeros(0, dtype=np.int16)]
        waveforms, lengths = pad_waveforms(samples, self.features.samples(work.batch.frames))
        device = self.ranks.device
        if device.type == "cuda":
            waveforms, lengths = waveforms.pin_memory(), lengths.pin_memory()
        features: tuple[Tensor, Tensor] = self.features(
            waveforms.to(device, non_blocking=True), lengths.to(device, non_blocking=True)
        )
        return features

    def _random(self, step: int, index: int) -> np.random.Generator:
        """Keyed by step and micro-batch: there is no generator state to save, nor one that depends on ranks."""
        return np.random.Generator(np.random.Philox(key=[self.config.seed, (step << 20) + index]))

    def _seed_of_draw(self, step: int, index: int) -> int:
        return int(draws(self.config.seed, (step << 20) + index, 3).integers(2**62))

    def _regularizer(self, clock: Clock, index: int) -> Regularizer:
        rng = self._random(clock.steps, index)
        torch.manual_seed(int(rng.integers(2**62)))
        model = self.config.model
        return Regularizer(value_at(model.dropout, clock.hours), value_at(model.layerdrop, clock.hours), rng)

    def _loss(self, work: Work, clean: tuple[Tensor, Tensor], target: Target, clock: Clock) -> Tensor:
        """The objective's loss of a micro-batch, summed over the utterances that have a target."""
        regularizer = self._regularizer(clock, work.index)
        # Real frames are known on the host without asking the device.
        lengths = [len(s) for s in work.samples] or [0]
        frames = [min(self.features.frames_in(length), work.batch.frames) for length in lengths]
        views = self.objective.views(clock.hours)
        features, real = augment(clean, frames, target.tokens, self.config, clock.hours, views, regularizer.rng)
        with self.autocast():
            heard = self.parallel(features, real, regularizer)
        return self.objective.loss(heard, target, clock.hours)

    def step(self, batch: StepBatch, clock: Clock) -> StepResult:
        """One optimizer step on this rank's part of a global batch, and one move of the teacher.

        The loss is a sum over utterances, per second of audio in the global batch, so that gradients do not depend
        on how utterances fall on ranks and micro-batches.

        Args:
            batch: the work of this rank.
            clock: before the step; its count of steps keys the randomness.
        """
        self.optimizer.zero_grad(set_to_none=True)
        result = StepResult()
        result.gain = batch.cut.scale if self.meter is None else self.meter.gain(batch.cut.scale)
        losses = torch.zeros(2, dtype=torch.float64, device=self.ranks.device)
        if self.meter is None:
            self._accumulate(batch, batch.work, clock, losses, result, last=True)
        else:
            self.meter.begin(clock.base_steps)
            for group in group_work(batch.work):
                self._accumulate(batch, group, clock, losses, result, last=False)
                self.meter.add_group(audio_seconds(group))
            self.meter.finish(batch.cut.scale, batch.seconds)
        with record_function("optimizer and teacher update"):
            self._move(batch, clock, losses, result)
        return result

    def rehearse(self, batch: StepBatch) -> None:
        """Take up the memory of a step, and of the optimizer after it, and change nothing."""
        copies = 0 if self.optimizer.state else MOMENTS[self.config.optimizer.kind]
        copies += 0 if self.meter is None else COPIES_OF_METER
        held = [torch.empty_like(p) for p in self.student.parameters() for _ in range(copies)]
        losses = torch.zeros(2, dtype=torch.float64, device=self.ranks.device)
        clock = Clock(self.config.batch.base_seconds)
        self._accumulate(batch, batch.work, clock, losses, StepResult(), last=True)
        # A GPU may not have come to the end of it.
        losses.tolist()
        self.optimizer.zero_grad(set_to_none=True)
        del held

    def _accumulate(
        self, batch: StepBatch, works: Sequence[Work], clock: Clock, losses: Tensor, result: StepResult, last: bool
    ) -> None:
        """Add the gradients of some of a step's micro-batches; with the `last` ones ranks exchange theirs."""
        with record_function("features"):
            clean = [self.load(work) for work in works]
        # All labels are asked for before the student starts, so that a GPU has work while the host waits.
        with record_function("teacher"):
            answers = {
                work.index: self._asking.ask(*features, self._seed_of_draw(clock.steps, work.index))
                for work, features in zip(works, clean, strict=True)
                if work.use in LABELED
            }
        # DistributedDataParallel and FSDP take the mean over ranks.
        share = (self.ranks.world_size if self.meter is None else 1) / batch.seconds
        # Labels that wait for the device are read once the student has the rest to do.
        trained = [pair for pair in zip(works, clean, strict=True) if pair[0].use != "label"]
        targets = {work.index: self._true_text(work, result) for work, _ in trained if work.labeled}
        weight: float | None = None
        for position, (work, features) in enumerate(trained):
            if not work.labeled and weight is None:
                targets |= self._read_all(works, answers, clock, result)
                weight = self._weight(batch, clock, result)
            exchange = last and position == len(trained) - 1
            together = exchange or not isinstance(self.parallel, DistributedDataParallel)
            with nullcontext() if together else self.parallel.no_sync():  # type: ignore[operator]
                with record_function("student forward and loss"):
                    loss = self._loss(work, features, targets[work.index], clock)
                with record_function("backward"):
                    scaled = loss * share * (1.0 if work.labeled or weight is None else weight)
                    self.scaler.scale(scaled).backward()  # type: ignore[no-untyped-call]
            result.losses[work.index] = loss.detach()
            losses[0 if work.labeled else 1] += loss.detach()

    def _true_text(self, work: Work, result: StepResult) -> Target:
        # An utterance that could not be read has no frame to align a target with.
        rows = work.batch.rows.tolist()
        tokens = [self._texts.tokens(row) if len(s) else () for row, s in zip(rows, work.samples, strict=True)]
        result.utterances_labeled += sum(map(bool, tokens))
        return Target([t or () for t in tokens] or [()])

    def _read_all(
        self, works: Sequence[Work], answers: Mapping[int, Answer], clock: Clock, result: StepResult
    ) -> dict[int, Target]:
        """The targets of all audio without transcript, the labels that are made now among them."""
        targets: dict[int, Target] = {}
        for work in works:
            if work.labeled:
                continue
            rows, answer = work.batch.rows.tolist(), answers.get(work.index)
            if answer is None:
                labels = self.pseudo.stored(rows)
            else:
                labels = self.pseudo.read(answer.read(), rows, clock.hours) if rows else []
                self.pseudo.count(labels, result.tally)
                result.labels += [(work.index, label) for label in labels]
            if work.use == "label":
                continue
            tokens = self.pseudo.targets(labels, clock.hours, result.tally)
            tokens = [t if len(s) else [] for t, s in zip(tokens, work.samples, strict=True)]
            result.utterances_unlabeled += sum(map(bool, tokens))
            targets[work.index] = Target(tokens or [()], None if answer is None else answer.log_probs)
        return targets

    def _weight(self, batch: StepBatch, clock: Clock, result: StepResult) -> float:
        """Of unlabeled audio in the loss."""
        pseudo = self.config.pseudo
        weight = value_at(pseudo.weight, clock.hours)
        if pseudo.denominator == "audio":
            return weight
        (kept,) = self.ranks.sum([result.tally.kept_seconds])
        return weight * batch.unlabeled_seconds / kept if kept else 0.0

    def _move(self, batch: StepBatch, clock: Clock, losses: Tensor, result: StepResult) -> None:
        """Clip, step, move the teacher; or none of it where a number is not finite, on all ranks alike."""
        values = self.plan.values(result.gain)
        share = learning_rate_share(self.config.schedule, clock.hours, clock.hours_after(result.gain))
        result.learning_rate = values.optimizer.lr * share
        decay = self.plan.teacher_decay(clock.hours, result.gain, batch.cut.scale, batch.seconds)
        result.teacher_rate, students_weight = -math.expm1(decay), self.students_weight
        if self.config.teacher.start == "corrected":
            result.teacher_rate, students_weight = corrected_rate(result.teacher_rate, students_weight)
        matrix_decay = self.plan.matrix_decay(result.gain, share)
        set_values(self.optimizer, values.optimizer, share, self.plan.width_ratio, matrix_decay)
        # Where every step's β is the same the optimizer's own count is right.
        if self.plan.in_units and self.config.scaling.optimizer:
            set_steps(self.optimizer, clock.base_steps / result.gain)
        self.scaler.unscale_(self.optimizer)
        optimizer = self.config.optimizer
        bound = {"fixed": optimizer.max_grad_norm, "running": self.clip.bound, "none": math.inf}[optimizer.clip]
        # Gradients are the same on every rank by now, and so is their norm, and what follows from it.
        norm = joined(nn.utils.clip_grad_norm_(self.student.parameters(), bound))
        labeled, unlabeled, result.grad_norm = torch.cat((losses, norm.double()[None])).tolist()
        result.loss_labeled, result.loss_unlabeled = labeled, unlabeled
        result.moved, result.clipped = math.isfinite(result.grad_norm), result.grad_norm > bound
        if result.moved:
            self.scaler.step(self.optimizer)
            move_teacher(self.teacher, self.student, result.teacher_rate)
            self.students_weight = students_weight
            self.clip.add(result.grad_norm, result.gain)
        self.scaler.update()
