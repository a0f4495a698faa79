"""Student, teacher and optimizer, and one step of all three."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.profiler import record_function
from torch.nn.parallel import DistributedDataParallel

from asr.config import Config
from asr.data.features import LogMel, pad_waveforms
from asr.device import send
from asr.errors import UserError
from asr.model.arrival import fetch
from asr.model.compiled import compile_blocks
from asr.model.encoder import HEAD, Encoder, Regularizer
from asr.model.headed import Headed
from asr.model.precision import autocast, autocast_type
from asr.objective.augment import augment
from asr.objective.choice import make_objective
from asr.objective.objective import Cost, Lesson, Target
from asr.pseudo.pseudo_labels import PseudoLabels
from asr.pseudo.store import LabelStore
from asr.pseudo.strategy import LABELED
from asr.pseudo.teacher import Asking, make_teacher, move_teacher
from asr.scaling.clipping import RunningClip
from asr.scaling.plan import Plan
from asr.scaling.rules import corrected_rate
from asr.schedule import hour_of_most, value_at, values_of
from asr.step.clock import Clock, When, learning_rate_share, reached
from asr.step.feeder import StepBatch, Work
from asr.step.gain import COPIES_OF_METER, GainMeter, audio_seconds, group_work
from asr.step.optimizer import MOMENTS, Taken, make_optimizer, scale_initial, set_steps, set_values
from asr.step.ranks import Ranks
from asr.step.result import StepResult
from asr.step.sharding import exchange_next, hold, joined, let_go, shard
from asr.step.targets import Targets
from asr.step.together import join, passes, split


class Learner:
    """Everything that a training step changes."""

    def __init__(
        self, config: Config, plan: Plan, tokens: int, texts: LabelStore, pseudo: PseudoLabels, ranks: Ranks
    ) -> None:
        """
        Args:
            config: all settings.
            plan: what follows from them and κ.
            tokens: size of the inventory; 0 where the objective needs no text.
            texts: true text of the labeled utterances.
            pseudo: labels of the others.
            ranks: this process among all.
        """
        self.config, self.plan, self.ranks = config, plan, ranks
        self.pseudo = pseudo
        self._targets = Targets(texts, pseudo, config.pseudo, ranks)
        self.objective = make_objective(config)
        torch.manual_seed(config.seed)
        frame_seconds = config.features.shift_ms / 1000
        encoder = Encoder(config.features.mels, tokens, config.model, frame_seconds)
        scale_initial(encoder, plan.width_ratio)
        self.model = Headed(encoder, self.objective.make_heads()).to(ranks.device)
        """The student with the objective's heads."""
        self.average = make_teacher(self.model)
        """The teacher with its own."""
        self.students_weight = 0.0
        """Of all students so far in a teacher that is not corrected, the rest being its start's."""
        self.clip = RunningClip(config.optimizer.clip_ratio)
        self.features = LogMel(config.features).to(ranks.device)
        if config.train.compile:
            for encoder in (self.student, self.teacher):
                compile_blocks(encoder)
        self.sharded = config.train.engine == "fsdp" and ranks.world_size > 1
        if self.sharded:
            if config.train.precision == "fp16" or plan.adascale:
                raise UserError("train.engine: fsdp does without fp16 and scaling.adascale; set precision to bf16")
            for model in (self.model, self.average):
                shard(model, ranks)
        self._holds = self.sharded and config.train.gather == "step"
        # A GPU would wait for labels before it could begin; FSDP asks for as many passes from every rank.
        self._apart = self.sharded or ranks.device.type != "cpu"
        cut = plan.at(0.0)
        kind = autocast_type(config.train.precision, ranks.device)
        first = plan.values(cut.scale)
        self.optimizer = make_optimizer(self.model, config.optimizer, first, fused=True, precision=kind)
        self.taken = Taken()
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=kind is torch.float16)
        self.meter: GainMeter | None = None
        # A step of a single group shows no noise and is worth its audio.
        if plan.adascale and cut.whole.count > 1:
            if self.scaler.is_enabled():
                raise UserError(
                    "scaling.adascale cannot measure gradients that fp16 scales; set train.precision to bf16"
                )
            self.meter = GainMeter(self.model, self.optimizer, config, cut.whole.count, ranks)
        self.parallel: nn.Module = self.model
        if ranks.world_size > 1 and self.meter is None and not self.sharded:
            ids = [ranks.device.index] if ranks.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(self.model, device_ids=ids, gradient_as_bucket_view=True)
        labeler = self.student if config.pseudo.labels == "student" else self.teacher
        self.autocast = partial(autocast, kind, ranks.device)
        self._asking = Asking(labeler, config.pseudo, self.objective.wants_teacher, self.autocast)

    @property
    def student(self) -> Encoder:
        return self.model.encoder

    @property
    def teacher(self) -> Encoder:
        return self.average.encoder

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The objective's, by model; none where it has none."""
        both = {"student": self.model.heads, "teacher": self.average.heads}
        return {name: heads for name, heads in both.items() if heads is not None}

    def load(self, work: Work) -> tuple[Tensor, Tensor]:
        """Clean features `(batch, frames, mels)` and real frames `(batch,)` on the device."""
        # A rank without an utterance takes silence, so that it has a gradient, of 0, to give.
        samples = work.samples or [np.zeros(0, dtype=np.int16)]
        waveforms, lengths = pad_waveforms(samples, self.features.samples(work.batch.frames))
        device = self.ranks.device
        features: tuple[Tensor, Tensor] = self.features(send(waveforms, device), send(lengths, device))
        return features

    def _costs(
        self, works: Sequence[Work], clean: Sequence[tuple[Tensor, Tensor]], targets: Sequence[Target], when: When
    ) -> list[Cost]:
        """The objective's, of micro-batches that go through the student together."""
        rngs = [work.random(self.config.seed, when.step) for work in works]
        seeds = [int(rng.integers(2**62)) for rng in rngs]
        model = self.config.model
        worst = any(work.worst for work in works)
        dropout = max(values_of(model.dropout)) if worst else value_at(model.dropout, when.hours)
        regularizer = Regularizer(dropout, value_at(model.layerdrop, when.hours), rngs[0])
        # Parts of a micro-batch must not drop out the same.
        torch.manual_seed(seeds[0] + works[0].batch.first)
        lessons: list[Lesson] = []
        for work, features, target, rng in zip(works, clean, targets, rngs, strict=True):
            # Real frames are known on the host without asking the device.
            lengths = [len(s) for s in work.samples] or [0]
            frames = [min(self.features.frames_in(length), work.batch.frames) for length in lengths]
            copies = partial(augment, features, frames, target.tokens, self.config, when.hours, rng)
            lessons.append(Lesson(features, frames, target, when.hours, copies, rng))
        inputs = [self.objective.inputs(lesson) for lesson in lessons]
        with self.autocast():
            asked = [self.objective.ask(self.average, *pair) for pair in zip(lessons, inputs, strict=True)]
            heard = self.parallel(*join(inputs), regularizer)
        parts = split(heard, inputs, model.stride)
        return [
            self.objective.cost(part, replace(lesson, target=target), own)
            for part, lesson, target, own in zip(parts, lessons, asked, inputs, strict=True)
        ]

    def step(self, batch: StepBatch, clock: Clock) -> StepResult:
        """One optimizer step on this rank's part of a global batch, and one move of the teacher.

        The loss is a sum over utterances, per second of audio in the global batch, so that gradients do not depend
        on how utterances fall on ranks and micro-batches.

        Args:
            batch: the work of this rank.
            clock: before the step.
        """
        self.optimizer.zero_grad(set_to_none=True)
        result = StepResult()
        result.gain = batch.cut.scale if self.meter is None else self.meter.gain(batch.cut.scale)
        losses = torch.zeros(2 + len(result.signs), dtype=torch.float64, device=self.ranks.device)
        when = clock.middle(result.gain)
        if self.meter is None:
            self._accumulate(batch, batch.work, when, losses, result, last=True)
        else:
            self.meter.begin(self.taken.head)
            for group in group_work(batch.work):
                self._accumulate(batch, group, when, losses, result, last=False)
                self.meter.add_group(audio_seconds(group))
            self.meter.finish(batch.cut.scale, batch.seconds)
        with record_function("optimizer and teacher update"):
            self._move(batch, clock, when, losses, result)
        return result

    def rehearse(self, batch: StepBatch, frames: int) -> None:
        """Take up the memory of a step, and of the optimizer after it, and change nothing.

        Args:
            batch: work of a step.
            frames: of features that a step holds beside it.
        """
        copies = 0 if self.optimizer.state else MOMENTS[self.config.optimizer.kind]
        copies += 0 if self.meter is None else COPIES_OF_METER
        held = [torch.empty_like(p) for p in self.model.parameters() for _ in range(copies)]
        device, settings = self.ranks.device, self.config
        held.append(torch.empty(frames, settings.features.mels, device=device))
        if self.student.head is not None:
            shape = frames // settings.model.stride, self.student.head.out_features
            kept = self.objective.wants_teacher + settings.pseudo.searches_words
            held += [torch.empty(shape, device=device) for _ in range(kept)]
        losses = torch.zeros(2 + len(StepResult.signs), dtype=torch.float64, device=self.ranks.device)
        # When the most views are heard.
        when = When(0, hour_of_most(settings.objective.consistency))
        self._accumulate(batch, batch.work, when, losses, StepResult(), last=True)
        # A GPU may not have come to the end of it.
        losses.tolist()
        self.optimizer.zero_grad(set_to_none=True)
        del held

    def _accumulate(
        self, batch: StepBatch, works: Sequence[Work], when: When, losses: Tensor, result: StepResult, last: bool
    ) -> None:
        """Add the gradients of some of a step's micro-batches; with the `last` ones ranks exchange theirs."""
        both = (self.model, self.average) if self._holds else ()
        for model in both:
            hold(model)
        with record_function("features"):
            clean = [self.load(work) for work in works]
        # All labels are asked for before the student starts, so that a GPU has work while the host waits.
        with record_function("teacher"):
            answers = {
                position: self._asking.ask(*features, work.seeds(self.config.seed, when.step))
                for position, (work, features) in enumerate(zip(works, clean, strict=True))
                if work.use in LABELED
            }
            arrival = fetch([answer.packed for answer in answers.values()])
        # DistributedDataParallel and FSDP take the mean over ranks.
        share = (self.ranks.world_size if self.meter is None else 1) / batch.seconds
        # Labels that wait for the device are read once the student has the rest to do.
        trained = [position for position, work in enumerate(works) if work.use != "label"]
        targets = {i: self._targets.text(works[i], result) for i in trained if works[i].labeled}
        weight: float | None = None
        groups = [[place] for place in trained] if self._apart else passes(works, trained, self.config, when.hours)
        for group in groups:
            if weight is None and not all(works[position].labeled for position in group):
                with record_function("labels"):
                    targets |= self._targets.labels(works, answers, arrival, when.hours, result)
                weight = self._targets.weight(batch, when.hours, result)
            exchange = last and group is groups[-1]
            together = exchange or not isinstance(self.parallel, DistributedDataParallel)
            if exchange and self._holds:
                exchange_next(self.model)
            own = [works[position] for position in group]
            with nullcontext() if together else self.parallel.no_sync():  # type: ignore[operator]
                with record_function("student forward and loss"):
                    costs = self._costs(own, [clean[i] for i in group], [targets[i] for i in group], when)
                    weights = [1.0 if work.labeled or weight is None else weight for work in own]
                    total = torch.stack([cost.total * w for cost, w in zip(costs, weights, strict=True)]).sum()
                with record_function("backward"):
                    self.scaler.scale(total * share).backward()  # type: ignore[no-untyped-call]
            for work, cost in zip(own, costs, strict=True):
                result.losses[work.index] = result.losses.get(work.index, 0.0) + cost.total.detach()
                losses[0 if work.labeled else 1] += cost.total.detach()
                if cost.signs is not None:
                    losses[2:] += cost.signs
        for model in both:
            let_go(model)

    def _move(self, batch: StepBatch, clock: Clock, when: When, losses: Tensor, result: StepResult) -> None:
        """Clip, step, move the teacher; or none of it where a number is not finite, on all ranks alike."""
        values = self.plan.values(result.gain)
        share = learning_rate_share(self.config.schedule, when.hours)
        result.learning_rate = values.lr * share
        decay = self.plan.teacher_decay(clock.hours, result.gain, batch.cut.scale, batch.seconds)
        result.teacher_rate, students_weight = -math.expm1(decay), self.students_weight
        if self.config.teacher.start == "corrected":
            result.teacher_rate, students_weight = corrected_rate(result.teacher_rate, students_weight)
        matrix_decay = self.plan.matrix_decay(result.gain, share)
        set_values(self.optimizer, values, share, self.plan.width_ratio, matrix_decay)
        # Where every step's β is the same the optimizer's own count is right.
        changes = self.plan.in_units and self.config.scaling.optimizer and self.config.optimizer.beta_rule != "keep"
        if changes:
            set_steps(self.optimizer, self.taken.head / result.gain, self.taken.rest / result.gain)
        frozen = not reached(clock.hours, self.config.schedule.frozen_hours)
        if frozen:
            for name, parameter in self.student.named_parameters():
                parameter.grad = parameter.grad if name.startswith(HEAD) else None
        self.scaler.unscale_(self.optimizer)
        optimizer = self.config.optimizer
        bound = {"fixed": optimizer.max_grad_norm, "running": self.clip.bound, "none": math.inf}[optimizer.clip]
        # Gradients are the same on every rank by now, and so is their norm, and what follows from it.
        norm = joined(nn.utils.clip_grad_norm_(self.model.parameters(), bound))
        result.grad_norm, result.loss_labeled, result.loss_unlabeled, *result.signs = torch.cat(
            (norm.double()[None], losses)
        ).tolist()
        result.moved, result.clipped = math.isfinite(result.grad_norm), result.grad_norm > bound
        if result.moved:
            self.scaler.step(self.optimizer)
            move_teacher(self.average, self.model, result.teacher_rate)
            self.students_weight = students_weight
            self.clip.add(result.grad_norm, result.gain)
            self.taken.add(result.gain, frozen)
        self.scaler.update()
