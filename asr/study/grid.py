"""A study: one YAML file that stands for many runs, each a cell of κ × rules × seeds."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from asr.errors import UserError


@dataclass(frozen=True)
class Cell:
    """One run. `panel` and `rule` say where the figure shows it."""

    panel: str
    rule: str
    seed: int
    overrides: tuple[str, ...]
    """Beside the study's own settings, in the form of `--set`."""

    @property
    def name(self) -> str:
        return f"{self.panel}, {self.rule}, seed {self.seed}"


BASELINE = "κ = 1"
WITH_RULES = "with all rules"


@dataclass(frozen=True)
class Study:
    """What is varied. All lists are crossed; at κ = 1 the rules make no difference and there is one cell a seed."""

    name: str
    corpus: str
    """A corpus by name or the path of its settings."""
    kappa: tuple[float, ...]
    seeds: tuple[int, ...]
    ema_rule: tuple[bool, ...] = (True, False)
    optimizer_rule: tuple[bool, ...] = (True,)
    from_hours: float = 0.0
    """κ holds from this hour of audio on, and is 1 before: what comes early then is the same in all cells."""
    settings: tuple[str, ...] = ()
    """key=value, for every cell."""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further panels by name, each with settings of its own: progressive scaling, AdaScale."""

    def cells(self) -> list[Cell]:
        found: list[Cell] = []
        # Said where it is 0, too: the corpus's settings may have another. The study's own batch scale holds throughout.
        late, at_once = f"scaling.start_hours={self.from_hours:g}", "scaling.start_hours=0"
        for seed in self.seeds:
            found.append(Cell(BASELINE, WITH_RULES, seed, (f"seed={seed}", at_once)))
        for kappa in self.kappa:
            if kappa == 1:
                continue
            for ema in self.ema_rule:
                for optimizer in self.optimizer_rule:
                    rules = (f"scaling.ema={str(ema).lower()}", f"scaling.optimizer={str(optimizer).lower()}")
                    for seed in self.seeds:
                        own = (f"seed={seed}", f"batch_scale={kappa:g}", late, *rules)
                        found.append(Cell(f"κ = {kappa:g}", rule_name(ema, optimizer), seed, own))
        for name, settings in self.extra:
            found += [Cell(name, WITH_RULES, seed, (f"seed={seed}", at_once, *settings)) for seed in self.seeds]
        return found


def rule_name(ema: bool, optimizer: bool) -> str:
    if ema and optimizer:
        return WITH_RULES
    if optimizer:
        return "without the EMA rule"
    return "without the optimizer's rule" if ema else "without any rule"


def _settings(value: Any, where: str) -> tuple[str, ...]:
    """`{key.path: value}` as `key.path=value`."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected settings by name, such as `schedule.total_hours: 8`")
    try:
        return tuple(f"{key}={json.dumps(setting)}" for key, setting in value.items())
    except TypeError as error:
        raise UserError(f"{where}: a value that is neither text, number nor list ({error})") from None


def read_study(path: Path) -> Study:
    """A study from strict YAML.

    Raises:
        UserError: naming the file, for whatever is not as it should be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot read the study ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a study's settings by name, such as `kappa: [1, 4]`")
    known = [f.name for f in fields(Study)]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise UserError(
                f"{path}: unknown {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {known}")
            )
    for key in ("corpus", "kappa", "seeds"):
        if key not in content:
            raise UserError(f"{path}: {key} is missing")
    extra = content.get("extra", {})
    if not isinstance(extra, dict):
        raise UserError(f"{path}: extra must hold settings by the name of their panel")
    kappa = _numbers(content["kappa"], f"{path}: kappa")
    taken = [name for name in map(str, extra) if name in {f"κ = {k:g}" for k in (1.0, *kappa)}]
    if taken:
        raise UserError(f"{path}: extra, {taken[0]}: so the grid's own cells are called; name it otherwise")
    return Study(
        name=str(content.get("name", path.stem)),
        corpus=str(content["corpus"]),
        kappa=kappa,
        seeds=_seeds(content["seeds"], f"{path}: seeds"),
        ema_rule=_flags(content.get("ema_rule", [True, False]), f"{path}: ema_rule"),
        optimizer_rule=_flags(content.get("optimizer_rule", [True]), f"{path}: optimizer_rule"),
        from_hours=_hours(content.get("from_hours", 0), f"{path}: from_hours"),
        settings=_settings(content.get("settings", {}), f"{path}: settings"),
        extra=tuple((str(name), _settings(own, f"{path}: extra, {name}")) for name, own in extra.items()),
    )


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    good = isinstance(value, list) and value and all(isinstance(v, int | float) and v > 0 for v in value)
    if not good or any(isinstance(v, bool) for v in value):
        raise UserError(f"{where} must be a list of positive numbers; found {value!r}")
    if not all(map(math.isfinite, value)) or len(set(value)) < len(value):
        raise UserError(f"{where} must be finite numbers, each of them once; found {value!r}")
    return tuple(float(v) for v in value)


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(value, list) and value and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    if not whole or min(value) < 0 or len(set(value)) < len(value):
        raise UserError(f"{where} must be a list of whole numbers from 0, each of them once; found {value!r}")
    return tuple(value)


def _hours(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"{where} must be hours of audio, 0 or more; found {value!r}")
    return float(value)


def _flags(value: Any, where: str) -> tuple[bool, ...]:
    if not (isinstance(value, list) and value and all(isinstance(v, bool) for v in value)):
        raise UserError(f"{where} must be a list of true and false; found {value!r}")
    return tuple(value)
