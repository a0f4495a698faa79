"""A run is its science: which settings name it, and which only say how it is done."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr.config import Config, Operational
from asr.errors import UserError

APART = ("corpus", "tokens", "decode", "name")
"""What a run's settings are not compared in: manifests and tokens have folders of their own, and how a run is decoded
makes it no other run."""

SHOWN = 5
"""Changes that are named."""

_MARK = typing.get_args(Operational[int])[1]


@functools.cache
def operational() -> frozenset[str]:
    """Dotted names of the settings that do not name a run."""
    return frozenset(
        f"{section}.{name}"
        for section, kind in typing.get_type_hints(Config).items()
        if dataclasses.is_dataclass(kind)
        for name, hint in typing.get_type_hints(kind, include_extras=True).items()
        if _MARK in getattr(hint, "__metadata__", ())
    )


def scientific(settings: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """All settings, as `to_dict` gives them, or those of a section, without the operational ones."""
    prefix = f"{section}." if section else ""
    return {
        name: scientific(value, f"{prefix}{name}") if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if f"{prefix}{name}" not in operational()
    }


@dataclass(frozen=True)
class Change:
    """A setting by its dotted name, and its values."""

    name: str
    before: Any
    now: Any

    @property
    def is_operational(self) -> bool:
        return self.name in operational()

    def __str__(self) -> str:
        return f"{self.name} {self.before} → {self.now}"


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    for section, values in settings.items():
        if isinstance(values, Mapping):
            found |= {f"{section}.{name}": value for name, value in values.items()}
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """In which settings of a run, as `to_dict` gives them, two differ. What one of them lacks is not compared."""
    old, new = _flat(before), _flat(now)
    return [
        Change(name, old[name], value)
        for name, value in new.items()
        if name in old and old[name] != value and (name.partition(".")[0] not in APART or name in operational())
    ]


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> list[Change]:
    """The operational changes with which a run goes on.

    Args:
        before: its settings so far, as `to_dict` gives them.
        now: those that are asked for.
        where: `before` was found.

    Raises:
        UserError: a scientific setting has changed, so that it is another run.
    """
    found = changes(before, now)
    others = [str(change) for change in found if not change.is_operational]
    if others:
        shown = "; ".join(others[:SHOWN]) + (" …" if len(others) > SHOWN else "")
        raise UserError(f"{where}: was trained with other settings ({shown}), and so is another run's; train elsewhere")
    return found
