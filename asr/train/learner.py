"""Student, teacher and optimizer, and one step of all three."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.profiler import record_function
from torch.nn.parallel import DistributedDataParallel

from asr.config import Config
from asr.data.batching import MicroBatch
from asr.data.features import LogMel, pad_waveforms
from asr.data.specaugment import specaugment
from asr.data.tokens import Tokenizer
from asr.data.warp import stretch_time, warp_frequency
from asr.decode.greedy import GreedyLabel, pack_best, unpack_best
from asr.errors import UserError
from asr.model.encoder import Encoder, Regularizer
from asr.model.precision import autocast, autocast_type
from asr.pseudo.teacher import make_teacher, move_teacher
from asr.scaling.plan import Plan
from asr.train.clock import Clock, learning_rate_share, reached
from asr.train.feeder import StepBatch, Work
from asr.train.gain import COPIES_OF_METER, GainMeter, audio_seconds, group_work
from asr.train.loss import ctc_loss, needed_frames
from asr.train.optimizer import MOMENTS, make_optimizer, set_steps, set_values
from asr.train.ranks import Ranks
from asr.train.sharding import joined, shard


@dataclass
class LabelTally:
    """What became of the pseudo-labels of a step, counted over utterances."""

    made: int = 0
    kept: int = 0
    empty: int = 0


@dataclass
class StepResult:
    """`loss_*` are summed negative log-likelihoods in nats, of this rank's `utterances_*`."""

    loss_labeled: float
    loss_unlabeled: float
    utterances_labeled: int
    utterances_unlabeled: int
    grad_norm: float
    moved: bool
    """False where loss or gradient were not finite: nothing was changed."""
    tally: LabelTally
    gain: float = 1.0
    """Base steps that this one is worth: κ, or what AdaScale measured."""
    learning_rate: float = 0.0
    teacher_rate: float = 0.0
    losses: dict[int, Tensor] = field(default_factory=dict)
    """Of each micro-batch by its index, still on the device."""
    labels: list[tuple[int, list[int]]] = field(default_factory=list)
    """Row in the unlabeled manifest and token ids of every pseudo-label made, kept or not."""


class Learner:
    """Everything that a training step changes."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        tokenizer: Tokenizer,
        targets: dict[bool, list[list[int]]],
        ranks: Ranks,
    ) -> None:
        """`targets` are token ids by row: of the labeled manifest (True), of the unlabeled under `oracle` (False)."""
        self.config, self.plan, self.ranks = config, plan, ranks
        self._targets = targets
        torch.manual_seed(config.seed)
        frame_seconds = config.features.shift_ms / 1000
        self.student = Encoder(config.features.mels, tokenizer.size, config.model, frame_seconds).to(ranks.device)
        self.teacher = make_teacher(self.student)
        self.features = LogMel(config.features).to(ranks.device)
        self.sharded = config.train.engine == "fsdp" and ranks.world_size > 1
        if self.sharded:
            if config.train.precision == "fp16" or plan.adascale:
                raise UserError("train.engine: fsdp does without fp16 and scaling.adascale; set precision to bf16")
            for model in (self.student, self.teacher):
                shard(model, ranks)
        cut = plan.at(0.0)
        self.optimizer = make_optimizer(self.student, config.optimizer, plan.values(cut.scale).optimizer, fused=True)
        self.precision = kind = autocast_type(config.train.precision, ranks.device)
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=kind is torch.float16)
        self.meter: GainMeter | None = None
        # A step of a single group shows no noise and is worth its audio.
        if plan.adascale and cut.warmup.count > 1:
            if self.scaler.is_enabled():
                raise UserError(
                    "scaling.adascale cannot measure gradients that fp16 scales; set train.precision to bf16"
                )
            self.meter = GainMeter(self.student, self.optimizer, config, cut.warmup.count, ranks)
        self.parallel: nn.Module = self.student
        if ranks.world_size > 1 and self.meter is None and not self.sharded:
            ids = [ranks.device.index] if ranks.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(self.student, device_ids=ids, gradient_as_bucket_view=True)

    def autocast(self) -> AbstractContextManager[object]:
        return autocast(self.precision, self.ranks.device)

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

    @torch.no_grad()
    def label(self, features: Tensor, frames: Tensor) -> Tensor:
        """The teacher's greedy labels of clean features, packed, still on the device."""
        with self.autocast():
            heard = self.teacher(features, frames)
        return pack_best(heard.log_probs, heard.lengths)

    def keep(self, label: GreedyLabel) -> bool:
        pseudo = self.config.pseudo
        if len(label.ids) < max(pseudo.min_tokens, 1):
            return False
        return pseudo.min_mean_log_prob is None or label.mean_log_prob >= pseudo.min_mean_log_prob

    def _regularizer(self, step: int, index: int, started: bool) -> Regularizer:
        model = self.config.model
        dropout, layerdrop = model.dropout, model.layerdrop
        if started:
            dropout = dropout if model.dropout_pseudo is None else model.dropout_pseudo
            layerdrop = layerdrop if model.layerdrop_pseudo is None else model.layerdrop_pseudo
        rng = np.random.Generator(np.random.Philox(key=[self.config.seed, (step << 20) + index]))
        # Keyed by step and micro-batch: there is no generator state to save, nor one that depends on ranks.
        torch.manual_seed(int(rng.integers(2**62)))
        return Regularizer(dropout, layerdrop, rng)

    def _loss(
        self,
        work: Work,
        clean: tuple[Tensor, Tensor],
        targets: list[list[int]],
        clock: Clock,
        started: bool,
    ) -> Tensor:
        """Summed negative log-likelihood of the utterances that have a target."""
        features, frames = clean
        regularizer = self._regularizer(clock.steps, work.index, started)
        if reached(clock.hours, self.config.specaugment.start_hours):
            # Real frames are known on the host without asking the device.
            lengths = torch.tensor([len(s) for s in work.samples] or [0])
            host_frames = self.features.frames(lengths).clamp(max=work.batch.frames)
            if self.config.specaugment.frequency_warp:
                features = warp_frequency(features, self.config.specaugment.frequency_warp, regularizer.rng)
            if self.config.specaugment.time_stretch:
                features, host_frames = self._stretch(features, host_frames, targets, regularizer.rng)
                frames = host_frames.to(features.device, non_blocking=True)
            features = specaugment(features, host_frames, self.config.specaugment, regularizer.rng)
        with self.autocast():
            heard = self.parallel(features, frames, regularizer)
        loss = ctc_loss(heard.log_probs, heard.lengths, targets)
        share = self.config.model.intermediate_weight
        if not heard.intermediate:
            return loss
        each = [ctc_loss(log_probs, heard.lengths, targets) for log_probs in heard.intermediate]
        return (1 - share) * loss + share * torch.stack(each).mean()

    def _stretch(
        self, features: Tensor, frames: Tensor, targets: list[list[int]], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Another speed for all of a micro-batch; none so fast that a target has too few frames."""
        largest, stride = self.config.specaugment.time_stretch, self.config.model.stride
        factor = rng.uniform(1 - largest, 1 + largest)
        needed = [
            stride * (needed_frames(ids) + 1) / count
            for ids, count in zip(targets, frames.tolist(), strict=True)
            if ids and count
        ]
        factor = max(factor, min(1.0, max(needed, default=0.0)))
        return stretch_time(features, frames, factor, self.config.batch.frame_multiple)

    def step(self, batch: StepBatch, clock: Clock) -> StepResult:
        """One optimizer step on this rank's part of a global batch, and one move of the teacher.

        The loss is the negative log-likelihood per second of audio in the global batch, so that gradients
        do not depend on how utterances fall on ranks and micro-batches.

        Args:
            batch: the work of this rank.
            clock: before the step; its count of steps keys the randomness.
        """
        self.optimizer.zero_grad(set_to_none=True)
        result = StepResult(0.0, 0.0, 0, 0, 0.0, False, LabelTally())
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
        result = StepResult(0.0, 0.0, 0, 0, 0.0, False, LabelTally())
        self._accumulate(batch, batch.work, Clock(self.config.batch.base_seconds), losses, result, last=True)
        # A GPU may not have come to the end of it.
        losses.tolist()
        self.optimizer.zero_grad(set_to_none=True)
        del held

    def _accumulate(
        self, batch: StepBatch, works: Sequence[Work], clock: Clock, losses: Tensor, result: StepResult, last: bool
    ) -> None:
        """Add the gradients of some of a step's micro-batches; with the `last` ones ranks exchange theirs."""
        by_teacher = self.config.pseudo.labels == "teacher"
        if self.sharded:
            works = self._even(works, batch)
        with record_function("features"):
            clean = [self.load(work) for work in works]
        # All labels are asked for before the student starts, so that a GPU has work while the host waits.
        with record_function("teacher"):
            packed = [
                self.label(*c) if by_teacher and not w.labeled else None for w, c in zip(works, clean, strict=True)
            ]
            if self.sharded and by_teacher and batch.positions.started:
                # Each pass is one that all ranks take part in.
                for work, features in zip(works, clean, strict=True):
                    if work.labeled:
                        self.label(*features)
        # DistributedDataParallel and FSDP take the mean over ranks.
        share = (self.ranks.world_size if self.meter is None else 1) / batch.seconds
        for position, (work, features, label) in enumerate(zip(works, clean, packed, strict=True)):
            targets = self._targets_of(work, label, result)
            exchange = last and position == len(works) - 1
            together = exchange or not isinstance(self.parallel, DistributedDataParallel)
            with nullcontext() if together else self.parallel.no_sync():  # type: ignore[operator]
                with record_function("student forward and loss"):
                    loss = self._loss(work, features, targets, clock, batch.positions.started)
                with record_function("backward"):
                    self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
            result.losses[work.index] = loss.detach()
            losses[0 if work.labeled else 1] += loss.detach()

    def _even(self, works: Sequence[Work], batch: StepBatch) -> list[Work]:
        """As many micro-batches as any rank has, by ones without an utterance."""
        total = sum(micro.count for micro in batch.cut.micros(batch.positions.started))
        missing = -(-total // self.ranks.world_size) - len(works)
        nothing = MicroBatch(np.zeros(0, dtype=np.int64), self.config.batch.frame_multiple)
        return [*works, *(Work(total + i, True, nothing, []) for i in range(missing))]

    def _targets_of(self, work: Work, label: Tensor | None, result: StepResult) -> list[list[int]]:
        rows = work.batch.rows.tolist()
        if not rows:
            return [[]]
        if label is None:
            targets = [self._targets[work.labeled][row] for row in rows]
            # An utterance that could not be read has no frame to align a target with.
            targets = [t if len(s) else [] for t, s in zip(targets, work.samples, strict=True)]
        else:
            labels = unpack_best(label)
            targets = [one.ids if self.keep(one) else [] for one in labels]
            result.labels += [(row, one.ids) for row, one in zip(rows, labels, strict=True)]
            result.tally.made += len(labels)
            result.tally.kept += sum(map(bool, targets))
            result.tally.empty += sum(not one.ids for one in labels)
        count = sum(map(bool, targets))
        if work.labeled:
            result.utterances_labeled += count
        else:
            result.utterances_unlabeled += count
        return targets

    def _move(self, batch: StepBatch, clock: Clock, losses: Tensor, result: StepResult) -> None:
        """Clip, step, move the teacher; or none of it where a number is not finite, on all ranks alike."""
        values = self.plan.values(result.gain)
        share = learning_rate_share(self.config.schedule, clock.hours, clock.hours_after(result.gain))
        result.learning_rate = values.optimizer.lr * share
        result.teacher_rate = self.plan.teacher_rate(result.gain, batch.cut.scale, batch.seconds)
        decay = self.plan.matrix_decay(result.gain, share)
        set_values(self.optimizer, values.optimizer, share, self.plan.width_ratio, decay)
        # Where every step's β is the same the optimizer's own count is right.
        if self.plan.in_units and self.config.scaling.optimizer:
            set_steps(self.optimizer, clock.base_steps / result.gain)
        self.scaler.unscale_(self.optimizer)
        bound = self.config.optimizer.max_grad_norm
        # Gradients are the same on every rank by now, and so is their norm, and what follows from it.
        norm = joined(nn.utils.clip_grad_norm_(self.student.parameters(), float("inf") if bound is None else bound))
        labeled, unlabeled, result.grad_norm = torch.cat((losses, norm.double()[None])).tolist()
        result.loss_labeled, result.loss_unlabeled = labeled, unlabeled
        result.moved = bool(np.isfinite(result.grad_norm))
        if result.moved:
            self.scaler.step(self.optimizer)
            move_teacher(self.teacher, self.student, result.teacher_rate)
        self.scaler.update()
