"""The table base → scaled: every value that follows the batch size, at κ = 1 and at this run's κ."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.config import Config
from asr.scaling.plan import Cut, Micro, Plan, base_optimizer, steps_until
from asr.scaling.rules import MuonValues, OptimizerValues, largest_linear_scale
from asr.scaling.width import width_lr
from asr.schedule import Schedule


@dataclass(frozen=True)
class Row:
    """One line: a quantity at κ = 1, at this run's κ (or at each of them), and the rule between them."""

    name: str
    base: str
    scaled: str
    rule: str


def _momentum(rate: float) -> str:
    """ρ = 1 − rate with the digits that tell it from 1."""
    return f"{1 - rate:.{max(4, 3 - math.floor(math.log10(rate)))}g}" if 0 < rate < 1 else f"{1 - rate:g}"


def _micro(micro: Micro) -> str:
    return f"{micro.count} × {micro.seconds:g} s" if micro.count else "–"


class _Rows:
    """Rows of one plan: what changes with κ is written once for every κ of the run."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.config = plan, plan.config
        self.cuts = [plan.at(hours) for hours, _ in self._settled()]
        self.rows: list[Row] = []

    def _settled(self) -> list[tuple[float, float]]:
        """Where each κ has been reached."""
        ramp = self.config.scaling.ramp_hours
        return [(hours + ramp if hours else 0.0, scale) for hours, scale in self.plan.points]

    def add(self, name: str, base: str, scaled: Callable[[float], str], rule: str) -> None:
        written = [scaled(cut.scale) for cut in self.cuts]
        self.rows.append(Row(name, base, " → ".join(dict.fromkeys(written)), rule))

    def audio(self) -> None:
        batch, plan, pseudo = self.config.batch, self.plan, self.config.pseudo
        base, cap, share = batch.base_seconds, batch.max_device_seconds, self.plan.share(pseudo.start_hours)
        self.add("audio per step", f"{base:g} s", lambda kappa: f"{kappa * base:g} s", "κ · seconds")

        def row(name: str, micro: Callable[[Cut], Micro]) -> None:
            rule = f"each up to {cap:g} s"
            self.add(
                f"micro-batches, {name}",
                _micro(micro(plan.cut(1.0, share))),
                lambda kappa: _micro(micro(plan.cut(kappa, share))),
                rule,
            )

        both = share > 0 and pseudo.mixing == "batch"
        row("warm-up" if both else "of one kind", lambda cut: cut.whole)
        if both:
            row("labeled", lambda cut: cut.labeled)
            row("unlabeled", lambda cut: cut.unlabeled)

    def optimizer(self) -> None:
        o, plan = self.config.optimizer, self.plan
        base = base_optimizer(o)
        on = self.config.scaling.optimizer

        def row(name: str, value: Callable[[OptimizerValues], float], digits: str, rule: str) -> None:
            of_one = format(value(base), digits)
            self.add(
                name,
                of_one,
                lambda kappa: format(value(plan.values(kappa).optimizer), digits),
                rule if on else "not scaled",
            )

        rule_of_lr = "κ · lr" if o.kind == "sgd" else "√κ · lr"
        row("learning rate", lambda v: v.lr, ".4g", rule_of_lr)
        if o.head_lr is not None:
            times = o.head_lr / o.lr
            row("learning rate, head", lambda v: v.lr * times, ".4g", rule_of_lr)
        beta = {"power": "β^κ", "linear": "1 − κ(1 − β)", "keep": "unchanged"}[o.beta_rule]
        if o.kind == "sgd":
            row("momentum", lambda v: v.beta1, "g", "unchanged")
        else:
            if o.kind != "rmsprop":
                row("β₁", lambda v: v.beta1, ".6g", beta)
            row("α" if o.kind == "rmsprop" else "β₂", lambda v: v.beta2, ".6g", beta)
            row("ε", lambda v: v.eps, ".3g", "ε / √κ")
        if base.muon is not None:

            def of_muon(value: Callable[[MuonValues], float]) -> Callable[[OptimizerValues], float]:
                return lambda v: 0.0 if v.muon is None else value(v.muon)

            row("learning rate, Muon's matrices", of_muon(lambda m: m.lr), ".4g", "κ · lr")
            row("momentum of Muon", of_muon(lambda m: m.momentum), ".6g", "momentum^κ")
        elif o.kind != "adamw":
            row("weight decay (L2)", lambda v: v.weight_decay, ".4g", "unchanged")
            return
        ratio = plan.width_ratio
        if ratio != 1:
            hidden = "√κ · lr · proxy / width"
            row("learning rate, matrices", lambda v: width_lr(v.lr, "hidden", ratio), ".4g", hidden)
        decay = {
            "keep": "unchanged",
            "small-lr": "√κ · λ",
            "exact": "(1 − (1 − ηλ)^κ) / (√κ·η), at the peak",
        }["keep" if base.muon is not None else o.decay_rule]
        self.add(
            "weight decay",
            f"{o.weight_decay:.4g}",
            lambda kappa: f"{plan.matrix_decay(kappa, 1.0)['hidden']:.4g}",
            (decay if on else "not scaled") + (" · √(width / proxy)" if ratio != 1 else ""),
        )

    def teacher(self) -> None:
        plan, scaling = self.plan, self.config.scaling
        rule = ("ρ^κ" if scaling.ema_clock == "nominal" else "ρ^(audio / base)") if scaling.ema else "not scaled"
        teacher = self.config.teacher
        schedule = teacher.momentum if teacher.half_life_hours is None else teacher.half_life_hours
        # Of what is bounded by a share of the audio seen, the end is what training comes to.
        end = self.config.schedule.total_hours
        hours = [at for at, _ in schedule if at <= end] if isinstance(schedule, tuple) else []

        def over_time(value: Callable[[float], str]) -> str:
            return " to ".join(dict.fromkeys(map(value, [*hours, end])))

        # Without the rule the teacher moves as far per step as at κ = 1, and so lags κ times as far behind.
        def half_life(kappa: float) -> str:
            return over_time(lambda at: f"{plan.momentum.half_life(at) * (1 if scaling.ema else kappa):.3g}") + " h"

        def momentum(kappa: float) -> str:
            times = kappa if scaling.ema else 1
            return over_time(lambda at: _momentum(-math.expm1(plan.momentum.log(at) * times)))

        self.add("teacher half-life", half_life(1.0), half_life, "audio")
        self.add("teacher momentum ρ", momentum(1.0), momentum, rule)
        if scaling.adascale:
            self.add("AdaScale gain r", "1", lambda kappa: f"1 … {kappa:g}", "takes the place of κ above")

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
                written = ", ".join(f"{value:g} at {hours:g} h" for hours, value in schedule)
                self.rows.append(Row(name, written, written, "unchanged"))
            elif name == "share that is masked":
                self.rows.append(Row(name, f"{schedule:g}", f"{schedule:g}", "unchanged"))

    def limits(self) -> None:
        """Up to which κ the rules mean something."""
        o, log = self.config.optimizer, self.plan.momentum.log(self.config.schedule.total_hours)
        if o.kind != "sgd" and o.beta_rule == "linear":
            largest = largest_linear_scale(base_optimizer(o))
            self.rows.append(Row("largest κ, linear β", f"{largest:g}", "", "1 / (1 − β)"))
        if -math.inf < log < 0:
            steps = math.log(2) / -log
            self.rows.append(Row("κ at which the half-life is a step", f"{steps:.4g}", "", "ln 2 / −ln ρ"))

    def events(self) -> None:
        base, plan = self.config.batch.base_seconds, self.plan
        at_best = "at least " if plan.adascale else ""
        for name, hours in events(self.config):
            scaled = f"{at_best}step {plan.steps_until(hours):,}"
            self.rows.append(Row(name, f"step {steps_until(hours, base):,}", scaled, f"{hours:g} h of audio"))


def events(config: Config) -> list[tuple[str, float]]:
    """Everything that happens at an hour of audio, or every so many, by name. Nothing is counted in steps."""
    schedule = config.schedule
    found = [("learning-rate warm-up ends", schedule.warmup_hours)]
    if schedule.decay_start_hours is not None:
        found.append(("learning-rate decay starts", schedule.decay_start_hours))
    if config.schedule.frozen_hours > 0:
        found.append(("encoder learns too", config.schedule.frozen_hours))
    if config.specaugment.start_hours > 0:
        found.append(("SpecAugment starts", config.specaugment.start_hours))
    if config.pseudo.labels != "none":
        found.append(("pseudo-labels start", config.pseudo.start_hours))
    found += [(f"κ becomes {scale:g}", hours) for hours, scale in config.scaling.progressive if hours > 0]
    return [
        *found,
        ("logging every", config.train.log_hours),
        ("evaluation every", config.train.evaluate_hours),
        ("checkpoint every", config.train.checkpoint_hours),
        ("training ends", schedule.total_hours),
    ]


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


def format_table(plan: Plan) -> str:
    """The table as text."""
    cells = [("", "κ = 1", kappas(plan), "rule")] + [(r.name, r.base, r.scaled, r.rule) for r in table(plan)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {base:>{widths[1]}}  {scaled:>{widths[2]}}  {rule}".rstrip()
        for name, base, scaled, rule in cells
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 6), *lines[1:]])


def to_json(plan: Plan) -> dict[str, object]:
    """The table for machines."""
    return {
        "batch_scale": plan.config.batch_scale,
        "kappa": kappas(plan),
        "rows": [asdict(row) for row in table(plan)],
    }


def write_table(path: Path, plan: Plan) -> None:
    """Write the table as JSON, aside and then renamed."""
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(to_json(plan), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
