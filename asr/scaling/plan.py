"""From settings at κ = 1 and a κ to the numbers that a run uses, and the table of both."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.config import Config
from asr.scaling.rules import (
    OptimizerValues,
    check_scale,
    ema_rate,
    half_life_hours,
    scale_adam,
    scale_sgd,
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a quantity at κ = 1, at this run's κ, and the rule between them."""

    name: str
    base: str
    scaled: str
    rule: str


@dataclass(frozen=True)
class Micro:
    """How one stream's part of a step is cut: `count` micro-batches of about `seconds` each."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    batch_scale: float
    step_seconds: float
    """Audio seconds per optimizer step, over all devices."""
    steps: int
    optimizer: OptimizerValues
    teacher_rate: float
    """1 − ρ̂ per step."""
    warmup: Micro
    """Labeled audio, until pseudo-labels start."""
    labeled: Micro
    unlabeled: Micro
    rows: tuple[Row, ...]


def _cut(seconds: float, max_device_seconds: float) -> Micro:
    count = max(1, math.ceil(seconds / max_device_seconds - 1e-9)) if seconds > 0 else 0
    return Micro(count, seconds / max(count, 1))


def steps_until(hours: float, step_seconds: float) -> int:
    """Whole steps after which at least `hours` of audio have been consumed."""
    return math.ceil(hours * 3600 / step_seconds - 1e-9)


def _write_momentum(rate: float) -> str:
    """ρ = 1 − rate with the digits that tell it from 1."""
    return f"{1 - rate:.{max(4, 3 - math.floor(math.log10(rate)))}g}" if 0 < rate < 1 else f"{1 - rate:g}"


def _micro(micro: Micro) -> str:
    return f"{micro.count} × {micro.seconds:g} s" if micro.count else "–"


def _values(config: Config, kappa: float) -> tuple[OptimizerValues, float]:
    o = config.optimizer
    if o.kind == "sgd":
        base = OptimizerValues(o.lr, o.momentum, 0.0, 0.0, o.weight_decay)
        values = scale_sgd(base, kappa) if config.scaling.optimizer else base
    else:
        base = OptimizerValues(o.lr, o.beta1, o.beta2, o.eps, o.weight_decay)
        values = scale_adam(base, kappa, o.beta_rule, o.decay_rule) if config.scaling.optimizer else base
    return values, ema_rate(config.teacher.momentum, kappa if config.scaling.ema else 1.0)


def _optimizer_rows(config: Config, base: OptimizerValues, scaled: OptimizerValues) -> list[Row]:
    o = config.optimizer
    off = None if config.scaling.optimizer else "not scaled"
    if o.kind == "sgd":
        return [
            Row("learning rate", f"{base.lr:.4g}", f"{scaled.lr:.4g}", off or "κ · lr"),
            Row("momentum", f"{base.beta1:g}", f"{scaled.beta1:g}", off or "unchanged"),
            Row("weight decay (L2)", f"{base.weight_decay:g}", f"{scaled.weight_decay:g}", off or "unchanged"),
        ]
    beta = "β^κ" if o.beta_rule == "power" else "1 − κ(1 − β)"
    decay = "√κ · λ" if o.decay_rule == "small-lr" else "(1 − (1 − ηλ)^κ) / (√κ·η)"
    return [
        Row("learning rate", f"{base.lr:.4g}", f"{scaled.lr:.4g}", off or "√κ · lr"),
        Row("β₁", f"{base.beta1:.6g}", f"{scaled.beta1:.6g}", off or beta),
        Row("β₂", f"{base.beta2:.6g}", f"{scaled.beta2:.6g}", off or beta),
        Row("ε", f"{base.eps:.3g}", f"{scaled.eps:.3g}", off or "ε / √κ"),
        Row("weight decay", f"{base.weight_decay:.4g}", f"{scaled.weight_decay:.4g}", off or decay),
    ]


def _event_rows(config: Config, base_seconds: float, step_seconds: float) -> list[Row]:
    events = [("learning-rate warm-up ends", config.schedule.warmup_hours)]
    if config.schedule.decay_start_hours is not None:
        events.append(("learning-rate decay starts", config.schedule.decay_start_hours))
    if config.specaugment.start_hours > 0:
        events.append(("SpecAugment starts", config.specaugment.start_hours))
    if config.pseudo.labels != "none":
        events.append(("pseudo-labels start", config.pseudo.start_hours))
    events += [
        ("evaluation every", config.train.evaluate_hours),
        ("checkpoint every", config.train.checkpoint_hours),
        ("training ends", config.schedule.total_hours),
    ]
    return [
        Row(
            name,
            f"step {steps_until(hours, base_seconds):,}",
            f"step {steps_until(hours, step_seconds):,}",
            f"{hours:g} h of audio",
        )
        for name, hours in events
    ]


def make_plan(config: Config) -> Plan:
    """All numbers that follow the batch size, and the table that shows them.

    Raises:
        UserError: κ is not positive, or not feasible under the linear β rule.
    """
    kappa = config.batch_scale
    check_scale(kappa)
    base_seconds = config.batch.base_seconds
    seconds = kappa * base_seconds
    cap = config.batch.max_device_seconds
    share = 0.0 if config.pseudo.labels == "none" else config.pseudo.unlabeled_share
    base, base_rate = _values(config, 1.0)
    scaled, rate = _values(config, kappa)
    warmup, labeled, unlabeled = (_cut(seconds * part, cap) for part in (1.0, 1 - share, share))
    half_life = half_life_hours(config.teacher.momentum, base_seconds)
    # Without the rule the teacher moves as far per step as at κ = 1, and so lags κ times as far behind.
    scaled_half_life = half_life if config.scaling.ema else half_life * kappa
    rows = [
        Row("audio per step", f"{base_seconds:g} s", f"{seconds:g} s", "κ · seconds"),
        Row("micro-batches, warm-up", _micro(_cut(base_seconds, cap)), _micro(warmup), f"each up to {cap:g} s"),
    ]
    if share:
        rows += [
            Row("micro-batches, labeled", _micro(_cut(base_seconds * (1 - share), cap)), _micro(labeled), ""),
            Row("micro-batches, unlabeled", _micro(_cut(base_seconds * share, cap)), _micro(unlabeled), ""),
        ]
    rows += _optimizer_rows(config, base, scaled)
    rule = "ρ^κ" if config.scaling.ema else "not scaled"
    rows += [
        Row("teacher momentum ρ", _write_momentum(base_rate), _write_momentum(rate), rule),
        Row("teacher half-life", f"{half_life:.3g} h", f"{scaled_half_life:.3g} h", "audio"),
        *_event_rows(config, base_seconds, seconds),
    ]
    steps = steps_until(config.schedule.total_hours, seconds)
    return Plan(kappa, seconds, steps, scaled, rate, warmup, labeled, unlabeled, tuple(rows))


def format_plan(plan: Plan) -> str:
    """The table base → scaled as text."""
    table = [Row("", "κ = 1", f"κ = {plan.batch_scale:g}", "rule"), *plan.rows]
    cells = [(r.name, r.base, r.scaled, r.rule) for r in table]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"{name:<{widths[0]}}  {base:>{widths[1]}}  {scaled:>{widths[2]}}  {rule}".rstrip()
        for name, base, scaled, rule in cells
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 6), *lines[1:]])


def write_plan(path: Path, plan: Plan) -> None:
    """Write the table as JSON, aside and then renamed."""
    content = {"batch_scale": plan.batch_scale, "rows": [asdict(row) for row in plan.rows]}
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
