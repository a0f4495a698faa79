"""A study: one YAML file that stands for many runs, each a cell of κ × rules × seeds."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from asr import strict_yaml
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


def _settings(node: yaml.Node | None, where: str) -> tuple[str, ...]:
    """`{key.path: value}` as `key.path=value`, words and numbers as they are written."""
    if node is None:
        return ()
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{where}: expected settings by name, such as `schedule.total_hours: 8`")
    found = []
    for key, inner, line in strict_yaml.entries(node, where):
        setting = strict_yaml.setting(inner, f"{where}, line {line}")
        try:
            text = json.dumps(setting.value) if setting.text is None else setting.text
        except TypeError as error:
            raise UserError(f"{where}, line {line}: a value that is neither text, number nor list ({error})") from None
        found.append(f"{key}={text}")
    return tuple(found)


def read_study(path: Path) -> Study:
    """A study from strict YAML.

    Raises:
        UserError: naming the file, for whatever is not as it should be.
    """
    root = strict_yaml.read(path)
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path}: expected a study's settings by name, such as `kappa: [1, 4]`")
    known = [f.name for f in fields(Study)]
    nodes, values = dict[str, yaml.Node](), dict[str, Any]()
    for key, node, line in strict_yaml.entries(root, str(path)):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {known}"
            raise UserError(f"{path}, line {line}: unknown {key!r}; {hint}")
        nodes[key], setting = node, strict_yaml.setting(node, f"{path}, line {line}")
        values[key] = setting.text if key in ("name", "corpus") and setting.text is not None else setting.value
    for key in ("corpus", "kappa", "seeds"):
        if key not in values:
            raise UserError(f"{path}: {key} is missing")
    kappa = _numbers(values["kappa"], f"{path}: kappa")
    extra = _extra(nodes.get("extra"), f"{path}: extra")
    taken = [name for name, _ in extra if name in {f"κ = {k:g}" for k in (1.0, *kappa)}]
    if taken:
        raise UserError(f"{path}: extra, {taken[0]}: so the grid's own cells are called; name it otherwise")
    return Study(
        name=_folder(values.get("name", path.stem), f"{path}: name"),
        corpus=str(values["corpus"]),
        kappa=kappa,
        seeds=_seeds(values["seeds"], f"{path}: seeds"),
        ema_rule=_flags(values.get("ema_rule", [True, False]), f"{path}: ema_rule"),
        optimizer_rule=_flags(values.get("optimizer_rule", [True]), f"{path}: optimizer_rule"),
        from_hours=_hours(values.get("from_hours", 0), f"{path}: from_hours"),
        settings=_settings(nodes.get("settings"), f"{path}: settings"),
        extra=extra,
    )


def _extra(node: yaml.Node | None, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if node is None:
        return ()
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{where} must hold settings by the name of their panel")
    return tuple((name, _settings(own, f"{where}, {name}")) for name, own, _ in strict_yaml.entries(node, where))


def _folder(value: Any, where: str) -> str:
    """What a study is called is the folder of its figure."""
    if not isinstance(value, str) or value in ("", ".", "..") or "/" in value or "\0" in value:
        raise UserError(f"{where} must be a folder's name, without a slash; found {value!r}")
    return value


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
