"""From settings at κ = 1 and a κ to the numbers that a training step uses."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import math
from dataclasses import dataclass

from asr.config import Config, OptimizerConfig
from asr.errors import UserError
from asr.scaling.momentum import Momentum
from asr.scaling.rules import (
    MuonValues,
    OptimizerValues,
    check_scale,
    scale_adam,
    scale_adamw,
    scale_decay,
    scale_muon,
    scale_sgd,
)
from asr.scaling.width import ROLES, Role, width_decay, width_lr
from asr.schedule import only_jumps, value_at


@dataclass(frozen=True)
class Micro:
    """How one stream's part of a step is cut: `count` micro-batches of about `seconds` each."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Cut:
    """A step's audio in units, each a micro-batch of labeled and one of unlabeled audio, so that ranks that share units
    out have their part of both. Before pseudo-labels start, and where an update is of one kind, a unit is one
    micro-batch."""

    scale: float
    """κ: base batches that a step holds."""
    whole: Micro
    labeled: Micro
    unlabeled: Micro

    def micros(self, started: bool) -> tuple[Micro, Micro]:
        """Of the labeled and of the unlabeled stream, in an update that has both once pseudo-labels have started."""
        return (self.labeled, self.unlabeled) if started else (self.whole, Micro(0, 0.0))


def base_optimizer(o: OptimizerConfig) -> OptimizerValues:
    """The optimizer's values as the settings have them."""
    if o.kind == "sgd":
        return OptimizerValues(o.lr, o.momentum, 0.0, 0.0, o.weight_decay)
    muon = MuonValues(o.lr, o.momentum) if o.kind == "muon" else None
    return OptimizerValues(o.lr, 0.0 if o.kind == "rmsprop" else o.beta1, o.beta2, o.eps, o.weight_decay, muon)


def optimizer_at(o: OptimizerConfig, kappa: float) -> OptimizerValues:
    """The optimizer's values at κ, by its own rule.

    Raises:
        UserError: κ is beyond what the linear β rule allows.
    """
    base = base_optimizer(o)
    if o.kind == "sgd":
        return scale_sgd(base, kappa)
    if base.muon is not None:
        scaled = scale_adamw(base, kappa, o.beta_rule, o.decay_rule, o.eps_rule)
        return dataclasses.replace(scaled, muon=scale_muon(base.muon, kappa))
    if o.kind == "adamw":
        return scale_adamw(base, kappa, o.beta_rule, o.decay_rule, o.eps_rule)
    return scale_adam(base, kappa, o.beta_rule, o.eps_rule)


MOST_UNITS = 16
"""Micro-batches that a base batch is cut into at most so that every κ is a whole number of them."""


ROOM = 1.1
"""By so much a micro-batch may be larger than its nominal size, and still fit: whole utterances make it now smaller,
now larger, so that their mean is what it should be."""


def steps_until(hours: float, step_seconds: float) -> int:
    """Whole steps after which at least `hours` of audio have been consumed."""
    return math.ceil(hours * 3600 / step_seconds - 1e-9)


def find_points(config: Config) -> tuple[tuple[float, float], ...]:
    """κ over time as [hour of audio, κ] pairs, the first at hour 0."""
    scaling, scale = config.scaling, config.batch_scale
    if scaling.progressive:
        return scaling.progressive
    late = scaling.start_hours > 0 and scale != 1
    return ((0.0, 1.0), (scaling.start_hours, scale)) if late else ((0.0, scale),)


class Plan:
    """Everything that follows the batch size, as functions of hours of audio and of κ."""

    def __init__(self, config: Config) -> None:
        """Raises UserError where κ is no scale, or is not feasible under the linear β rule.

        `width_ratio` is the model's width over that which learning rate and weight decay were tuned at.
        """
        self.config = config
        scaling = config.scaling
        self.momentum = Momentum(config.teacher, config.batch.base_seconds)
        self.width_ratio = config.model.width / (config.optimizer.proxy_width or config.model.width)
        self.points = find_points(config)
        self._check_points()
        self._hours = [hours for hours, _ in self.points]
        if not only_jumps(config.pseudo.unlabeled_share):
            raise UserError("pseudo.unlabeled_share changes in jumps alone: two points at each hour where it changes")
        # Where κ changes, units keep their size and a step takes more of them: an epoch need not be cut anew. AdaScale
        # compares groups that are alike. Else a step takes as few units as will hold it.
        self.in_units = len(self.points) > 1 or bool(scaling.progressive) or scaling.adascale
        base, cap = config.batch.base_seconds, config.batch.unit_seconds
        self.units = self._find_units(math.ceil(base * ROOM / cap - 1e-9)) if self.in_units else 1
        self.cut = functools.cache(self._cut)
        self.values = functools.lru_cache(maxsize=64)(self._values)
        for _, scale in self.points:
            self.values(scale)
        self._check_length()

    def _find_units(self, fewest: int) -> int:
        """The fewest micro-batches of a base batch of which every κ is a whole number."""
        scales = [scale for _, scale in self.points]
        off: dict[int, float] = {}
        for units in range(fewest, max(fewest, MOST_UNITS) + 1):
            if all(abs(scale * units - max(1, round(scale * units))) < 1e-6 for scale in scales):
                return units
            off[units] = max(abs(max(1, round(scale * units)) / units / scale - 1) for scale in scales)
        units = min(off, key=off.__getitem__)
        nearest = ", ".join(f"{max(1, round(scale * units)) / units:.9g}" for scale in scales)
        raise UserError(
            f"κ = {', '.join(f'{scale:g}' for scale in scales)}: where κ changes on the way (scaling.start_hours, "
            "scaling.progressive), and with scaling.adascale, micro-batches stay alike, so κ must be a multiple of 1/n "
            f"with n from {fewest} to {max(fewest, MOST_UNITS)}, the same for all; the nearest are {nearest}"
        )

    def _check_points(self) -> None:
        scaling, batch_scale = self.config.scaling, self.config.batch_scale
        check_scale(batch_scale)
        if scaling.adascale and self.config.optimizer.kind == "muon":
            raise UserError(
                "scaling.adascale measures noise as Adam or SGD divide it; with optimizer.kind: muon its gain means "
                "nothing: choose one of them"
            )
        for _, scale in self.points:
            check_scale(scale)
        if scaling.progressive and batch_scale != 1:
            raise UserError(f"scaling.progressive gives κ over time; batch_scale = {batch_scale:g} must be left at 1")
        if (scaling.progressive or len(self.points) > 1) and scaling.adascale:
            name, none = ("progressive", "[]") if scaling.progressive else ("start_hours", "0")
            raise UserError(
                f"scaling.{name} and scaling.adascale cannot be used together; choose one (scaling.{name}={none})"
            )
        hours = [hours for hours, _ in self.points]
        apart = [b - a for a, b in itertools.pairwise(hours)]
        if hours[0] != 0 or any(gap <= 0 for gap in apart) or any(gap < scaling.ramp_hours for gap in apart[1:]):
            raise UserError(
                "scaling.progressive must begin at hour 0, with switches in order and at least scaling.ramp_hours "
                f"apart; found {[list(p) for p in self.points]}"
            )

    def _check_length(self) -> None:
        end, base_hours = self.config.schedule.total_hours, self.config.batch.base_seconds / 3600
        for begin, scale in self.points:
            if begin < end and scale * base_hours > end * (1 + 1e-9):
                raise UserError(
                    f"κ = {scale:g}: a step holds {scale * base_hours:.4g} h of audio, more than all of training, "
                    f"schedule.total_hours = {end:g}; κ is at most {end / base_hours:.4g} here"
                )

    def share(self, hours: float) -> float:
        """Of a step's audio that is unlabeled, from the start of pseudo-labels on."""
        pseudo = self.config.pseudo
        return 0.0 if pseudo.labels == "none" else value_at(pseudo.unlabeled_share, max(hours, pseudo.start_hours))

    @property
    def adascale(self) -> bool:
        return self.config.scaling.adascale

    def wanted_scale(self, hours: float) -> float:
        """κ of the schedule; during a ramp it grows by equal factors in equal audio."""
        last = bisect.bisect_right(self._hours, hours + 1e-9) - 1
        since, scale = self.points[last]
        ramp = self.config.scaling.ramp_hours
        if last == 0 or hours >= since + ramp:
            return scale
        before = self.points[last - 1][1]
        return float(before * (scale / before) ** ((hours - since) / ramp))

    @property
    def settled(self) -> tuple[tuple[float, float], ...]:
        """Hour of audio at which each κ has been reached, and κ; the last is what it stays."""
        ramp = self.config.scaling.ramp_hours
        return tuple((hours + ramp if hours else 0.0, scale) for hours, scale in self.points)

    def at(self, hours: float) -> Cut:
        """How the step that begins at `hours` is cut, and its κ as it can be had from whole micro-batches."""
        scale = self.wanted_scale(hours)
        if self.in_units:
            scale = max(1, round(scale * self.units)) / self.units
        return self.cut(scale, self.share(hours))

    def _cut(self, scale: float, share: float) -> Cut:
        base, cap = self.config.batch.base_seconds, self.config.batch.unit_seconds
        count = round(scale * self.units) if self.in_units else max(1, math.ceil(base * scale * ROOM / cap - 1e-9))
        unit = base * scale / count
        return Cut(
            scale, Micro(count, unit), Micro(count, unit * (1 - share)), Micro(count if share else 0, unit * share)
        )

    def _values(self, kappa: float) -> OptimizerValues:
        """The optimizer's for a step that is worth κ base steps."""
        scaling, o = self.config.scaling, self.config.optimizer
        return optimizer_at(o, kappa) if scaling.optimizer else base_optimizer(o)

    def teacher_decay(self, hours: float, gain: float, scale: float, seconds: float) -> float:
        """ln ρ^r, at most 0, for a step of κ = `scale` that begins at `hours` and is worth r = `gain` base steps.

        With `scaling.ema_clock: seconds` the audio that there was, in base batches, takes the place of κ in r.
        """
        if not self.config.scaling.ema:
            gain = 1.0
        elif self.config.scaling.ema_clock == "seconds":
            gain *= seconds / (scale * self.config.batch.base_seconds)
        return self.momentum.decay(hours, gain)

    def matrix_decay(self, gain: float, share: float) -> dict[Role, float]:
        """Weight decay by role in a step worth `gain` base steps.

        Args:
            gain: r, or κ.
            share: of the peak learning rate, by the schedule: the exact rule depends on it.
        """
        o, ratio = self.config.optimizer, self.width_ratio
        # The head is all there is of that role.
        base = {role: o.lr if role != "output" or o.head_lr is None else o.head_lr for role in ROLES}
        decays = {role: width_decay(o.weight_decay, role, ratio) for role in ROLES}
        if o.kind not in ("adamw", "muon") or not self.config.scaling.optimizer:
            return decays
        # Muon's matrices keep theirs: their learning rate grows by κ, not by its root.
        return {
            role: decay
            if role == "hidden" and o.kind == "muon"
            else scale_decay(decay, width_lr(base[role], role, ratio) * share, gain, o.decay_rule)
            for role, decay in decays.items()
        }

    def steps_until(self, hours: float) -> int:
        """Steps until the clock has reached `hours`. Under AdaScale, at its best: every step worth κ."""
        base = self.config.batch.base_seconds
        if len(self.points) == 1:
            return steps_until(hours, base * self.at(0.0).scale)
        done, steps = 0.0, 0
        while done * base / 3600 < hours - 1e-9:
            done += self.at(done * base / 3600).scale
            steps += 1
        return steps

    @property
    def steps(self) -> int:
        """Until training ends; under AdaScale, at least."""
        return self.steps_until(self.config.schedule.total_hours)
