"""The table base → scaled: every value that follows the batch size, at κ = 1 and at this run's κ."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.scaling.events import events, intervals
from asr.scaling.plan import Cut, Micro, Plan, base_optimizer, steps_until
from asr.scaling.rules import MuonValues, OptimizerValues, largest_linear_scale
from asr.scaling.width import Role, width_lr
from asr.schedule import Schedule
from asr.whole_file import write_whole


@dataclass(frozen=True)
class Row:
    """One line: a quantity at κ = 1, at each κ of this run, and the rule between them."""

    name: str
    unit: str
    """s, h, step (which is counted from 1), or 1 for what has none."""
    base: float
    scaled: tuple[float, ...]
    """Equal neighbours once; none where it has nothing to do with κ."""
    rule: str
    hours: float | None = None
    """Of audio, at which the step is done."""
    at_least: bool = False
    """Whether the step may be a later one."""

    @property
    def differs(self) -> bool:
        """Whether κ changes it."""
        return any(show(value, self.unit) != show(self.base, self.unit) for value in self.scaled)


def show(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit == "step":
        return f"step {value:,.0f}"
    if unit != "1":
        return f"{value:.4g} {unit}"
    # With the digits that tell it from 1.
    digits = max(4, 3 - math.floor(math.log10(1 - value))) if 0.9 < value < 1 else 4
    return f"{value:.{digits}g}"


def show_scaled(values: Sequence[float], unit: str, at_least: bool = False) -> str:
    """The same at each κ of a run."""
    return " → ".join(("at least " if at_least else "") + show(value, unit) for value in values)


class _Rows:
    """Rows of one plan: what changes with κ is written once for every κ of the run."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.config = plan, plan.config
        self.cuts = [plan.at(hours) for hours, _ in plan.settled]
        self.rows: list[Row] = []

    def add(self, name: str, unit: str, base: float, scaled: Callable[[float], float], rule: str) -> None:
        found = [scaled(cut.scale) for cut in self.cuts]
        self.rows.append(Row(name, unit, base, tuple(value for value, _ in itertools.groupby(found)), rule))

    def audio(self) -> None:
        batch, plan, pseudo = self.config.batch, self.plan, self.config.pseudo
        base, share = batch.base_seconds, self.plan.share(pseudo.start_hours)
        self.add("audio per step", "s", base, lambda kappa: kappa * base, "κ · seconds")

        def rows(name: str, micro: Callable[[Cut], Micro]) -> None:
            at_one = micro(plan.cut(1.0, share))
            rule = f"each up to {batch.unit_seconds:g} s"
            self.add(
                f"micro-batches, {name}", "1", at_one.count, lambda kappa: micro(plan.cut(kappa, share)).count, rule
            )
            seconds = at_one.seconds
            self.add(
                f"audio of each, {name}",
                "s",
                seconds,
                lambda kappa: micro(plan.cut(kappa, share)).seconds,
                "nominal: utterances stay whole",
            )

        both = share > 0 and pseudo.mixing == "batch"
        rows("warm-up" if both else "of one kind", lambda cut: cut.whole)
        if both:
            rows("labeled", lambda cut: cut.labeled)
            rows("unlabeled", lambda cut: cut.unlabeled)

    def optimizer(self) -> None:
        o, plan = self.config.optimizer, self.plan
        base = base_optimizer(o)
        on = self.config.scaling.optimizer

        def row(name: str, value: Callable[[OptimizerValues], float], rule: str) -> None:
            rule = rule if on else "not scaled"
            self.add(name, "1", value(base), lambda kappa: value(plan.values(kappa)), rule)

        rule_of_lr = "κ · lr" if o.kind == "sgd" else "√κ · lr"
        row("learning rate", lambda v: v.lr, rule_of_lr)
        if o.head_lr is not None:
            times = o.head_lr / o.lr
            row("learning rate, head", lambda v: v.lr * times, rule_of_lr)
        beta = {"power": "β^κ", "linear": "1 − κ(1 − β)", "keep": "unchanged"}[o.beta_rule]
        if o.kind == "sgd":
            row("momentum", lambda v: v.beta1, "unchanged")
        else:
            if o.kind != "rmsprop":
                row("β₁", lambda v: v.beta1, beta)
            row("α" if o.kind == "rmsprop" else "β₂", lambda v: v.beta2, beta)
            row("ε", lambda v: v.eps, {"root": "ε / √κ", "keep": "unchanged"}[o.eps_rule])
        if base.muon is not None:

            def of_muon(value: Callable[[MuonValues], float]) -> Callable[[OptimizerValues], float]:
                return lambda v: 0.0 if v.muon is None else value(v.muon)

            row("learning rate, Muon's matrices", of_muon(lambda m: m.lr), "κ · lr")
            row("momentum of Muon", of_muon(lambda m: m.momentum), "momentum^κ")
        elif o.kind != "adamw":
            row("weight decay (L2)", lambda v: v.weight_decay, "unchanged")
            return
        ratio = plan.width_ratio
        if ratio != 1:
            hidden = "√κ · lr · proxy / width"
            row("learning rate, matrices", lambda v: width_lr(v.lr, "hidden", ratio), hidden)
        rules = {
            "keep": "unchanged",
            "small-lr": "√κ · λ",
            "exact": "(1 − (1 − ηλ)^κ) / (√κ·η), at the peak",
        }

        def row_of_decay(name: str, role: Role, rule: str) -> None:
            self.add(
                name,
                "1",
                plan.matrix_decay(1.0, 1.0)[role] if on else o.weight_decay,
                lambda kappa: plan.matrix_decay(kappa, 1.0)[role],
                (rule if on else "not scaled") + (" · √(width / proxy)" if ratio != 1 else ""),
            )

        row_of_decay("weight decay", "hidden", rules["keep" if base.muon is not None else o.decay_rule])
        if base.muon is not None and o.weight_decay:
            row_of_decay("weight decay, AdamW's part", "output", rules[o.decay_rule])

    def teacher(self) -> None:
        plan, scaling = self.plan, self.config.scaling
        rule = ("ρ^κ" if scaling.ema_clock == "nominal" else "ρ^(audio / base)") if scaling.ema else "not scaled"
        teacher = self.config.teacher
        schedule = teacher.momentum if teacher.half_life_hours is None else teacher.half_life_hours
        # Of what is bounded by a share of the audio seen, the end is what training comes to.
        end = self.config.schedule.total_hours
        points = [at for at, _ in schedule if at < end] if isinstance(schedule, tuple) else []
        half_lives = {at: plan.momentum.half_life(at) for at in [*points, end]}
        logs = {at: plan.momentum.log(at) for at in [*points, end]}
        # Without the rule the teacher moves as far per step as at κ = 1, and so lags κ times as far behind.
        off = not scaling.ema
        for at, half_life in half_lives.items():
            when = f", at {at:g} h" if points else ""
            self.add(
                f"teacher half-life{when}",
                "h",
                half_life,
                lambda kappa, value=half_life: value * (kappa if off else 1),  # type: ignore[misc]
                "audio",
            )
        for at, log in logs.items():
            when = f", at {at:g} h" if points else ""
            self.add(
                f"teacher momentum ρ{when}",
                "1",
                math.exp(log),
                lambda kappa, value=log: math.exp(value * (1 if off else kappa)),  # type: ignore[misc]
                rule,
            )
        if scaling.adascale:
            self.add("AdaScale gain r, at most", "1", 1.0, lambda kappa: kappa, "takes the place of κ above")

    def schedules(self) -> None:
        """What else changes with time: at the same hour of audio at every κ."""
        config = self.config
        found: dict[str, Schedule] = {
            "dropout": config.model.dropout,
            "layerdrop": config.model.layerdrop,
            "consistency": config.objective.consistency,
        }
        if config.objective.kind == "masked":
            found["share that is masked"] = config.objective.mask_share
        if config.pseudo.labels != "none":
            found |= {"unlabeled share": config.pseudo.unlabeled_share, "weight of labels": config.pseudo.weight}
        for name, schedule in found.items():
            if isinstance(schedule, tuple):
                self.rows += [Row(f"{name}, at {at:g} h", "1", v, (v,), "unchanged") for at, v in schedule]
            elif name == "share that is masked":
                self.rows.append(Row(name, "1", schedule, (schedule,), "unchanged"))

    def limits(self) -> None:
        """Up to which κ the rules mean something."""
        o, log = self.config.optimizer, self.plan.momentum.log(self.config.schedule.total_hours)
        if o.kind != "sgd" and o.beta_rule == "linear":
            largest = largest_linear_scale(base_optimizer(o))
            self.rows.append(Row("largest κ, linear β", "1", largest, (), "1 / (1 − β)"))
        if -math.inf < log < 0:
            steps = math.log(2) / -log
            self.rows.append(Row("κ at which the half-life is a step", "1", steps, (), "ln 2 / −ln ρ"))

    def events(self) -> None:
        base, plan = self.config.batch.base_seconds, self.plan

        def row(name: str, hours: float, steps: tuple[float, ...]) -> None:
            rule = f"{hours:g} h of audio"
            self.rows.append(Row(name, "step", steps_until(hours, base), steps, rule, hours, plan.adascale))

        *before, (end, total) = events(plan)
        for name, hours in before:
            row(name, hours, (float(plan.steps_until(hours)),))
        for name, hours in intervals(self.config):
            each = [float(steps_until(hours, base * cut.scale)) for cut in self.cuts]
            row(name, hours, tuple(steps for steps, _ in itertools.groupby(each)))
        row(end, total, (float(plan.steps_until(total)),))


def table(plan: Plan) -> list[Row]:
    """All rows of a plan."""
    rows = _Rows(plan)
    rows.audio()
    rows.optimizer()
    rows.teacher()
    rows.schedules()
    rows.limits()
    rows.events()
    return rows.rows


def kappas(plan: Plan) -> str:
    """The run's κ, or all of them in order."""
    return "κ = " + " → ".join(f"{scale:g}" for _, scale in plan.points)


def format_table(plan: Plan, only_changes: bool = False) -> str:
    """The table as text, or those of its rows that κ changes."""
    rows = [row for row in table(plan) if row.differs or not only_changes]
    cells = [("", "κ = 1", kappas(plan), "rule")]
    cells += [(r.name, show(r.base, r.unit), show_scaled(r.scaled, r.unit, r.at_least), r.rule) for r in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {base:>{widths[1]}}  {scaled:>{widths[2]}}  {rule}".rstrip()
        for name, base, scaled, rule in cells
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 6), *lines[1:], *_warnings(plan)])


def _warnings(plan: Plan) -> list[str]:
    """Of settings that undo a rule, or that nothing comes of."""
    config, optimizer = plan.config, plan.config.optimizer
    end, start, warm = config.schedule.total_hours, config.pseudo.start_hours, config.schedule.warmup_hours
    found: list[str] = []
    if config.pseudo.labels != "none" and start >= end:
        found.append(f"warning: pseudo-labels would start at {start:g} h, and training ends at {end:g} h")
    if warm >= end:
        found.append(f"warning: the learning rate rises until {warm:g} h, and training ends at {end:g} h")
    found += [
        f"warning: κ = {scale:g} would hold from {hours:g} h on, and training ends at {end:g} h"
        for hours, scale in plan.settled
        if hours >= end
    ]
    scaled = any(scale != 1 for _, scale in plan.points)
    if optimizer.kind == "sgd" and optimizer.clip == "fixed" and scaled and plan.config.scaling.optimizer:
        found.append(
            "warning: optimizer.clip = fixed undoes SGD's rule where it clips: lr·κ times a step of one length goes up "
            "to √κ times too far; optimizer.clip=running follows the batch"
        )
    return found


def to_json(plan: Plan) -> dict[str, object]:
    """The table for machines: numbers with their units."""
    return {
        "batch_scale": plan.config.batch_scale,
        "kappa": [{"hours": hours, "scale": scale} for hours, scale in plan.points],
        "rows": [asdict(row) for row in table(plan)],
    }


def write_table(path: Path, plan: Plan) -> None:
    """Write the table as JSON."""
    write_whole(path, json.dumps(to_json(plan), ensure_ascii=False, indent=1) + "\n")
