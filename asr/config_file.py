"""Settings from strict YAML, and back: an unknown name or a wrong type is an error that says where.

A file may begin with `extends: other.yaml` (beside it) and then holds only what differs.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from asr import strict_yaml
from asr.config import Config
from asr.config_checks import check
from asr.errors import UserError
from asr.strict_yaml import Setting

_Settings = dict[str, Setting]
"""By dotted name, such as `batch.base_seconds`."""


def _sections() -> dict[str, type[Any]]:
    hints: dict[str, Any] = typing.get_type_hints(Config)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and dataclasses.is_dataclass(kind)}


def _types() -> dict[str, Any]:
    """The type of every setting by dotted name."""
    sections = _sections()
    found = {name: kind for name, kind in typing.get_type_hints(Config).items() if name not in sections}
    for section, kind in sections.items():
        found.update({f"{section}.{name}": hint for name, hint in typing.get_type_hints(kind).items()})
    return found


def _unknown(name: str, where: str, known: Sequence[str]) -> UserError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        # The right word in the wrong section is the commonest slip.
        near = [k for k in known if k.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
    return UserError(f"{where}: unknown setting {name!r}{hint}")


def _read(path: Path, below: tuple[Path, ...] = ()) -> _Settings:
    """All settings that a file and those it extends make."""
    path = path.resolve()
    if path in below:
        raise UserError(f"{below[-1]}: extends {path}, which extends it in turn")
    root = strict_yaml.read(path)
    settings: _Settings = {}
    if root is None:
        return settings
    sections, known = _sections(), list(_types())
    for name, node, line in strict_yaml.entries(root, str(path)):
        where = f"{path}, line {line}"
        if name == "extends":
            # Wherever it stands, this file's own settings win.
            settings = _read(path.parent / str(node.value), (*below, path)) | settings
        elif name in sections:
            for inner, value, inner_line in strict_yaml.entries(node, where):
                inner_where = f"{path}, line {inner_line}"
                if f"{name}.{inner}" not in known:
                    raise _unknown(f"{name}.{inner}", inner_where, known)
                settings[f"{name}.{inner}"] = strict_yaml.setting(value, inner_where)
        elif name in known:
            settings[name] = strict_yaml.setting(node, where)
        else:
            raise _unknown(name, where, [*sections, *known])
    return settings


def _override(text: str) -> tuple[str, Setting]:
    name, equals, value = text.partition("=")
    where = f"--set {text}"
    if not equals:
        raise UserError(f"{where}: expected key=value, such as --set schedule.total_hours=2")
    known = list(_types())
    if name not in known:
        raise _unknown(name, where, known)
    node = strict_yaml.parse(value, where)
    return name, Setting(None, where, "") if node is None else strict_yaml.setting(node, where)


def _describe(kind: Any) -> str:
    if kind is type(None):
        return "nothing"
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if isinstance(kind, types.UnionType):
        return " or ".join(map(_describe, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return {str: "a list of strings", int: "a list of whole numbers"}.get(
            typing.get_args(kind)[0], "a list of [hour, value] pairs"
        )
    return {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}[kind]


def _convert(value: Any, kind: Any) -> Any:
    """`value` as `kind`. Raises TypeError where it is none."""
    if isinstance(kind, types.UnionType):
        for one in typing.get_args(kind):
            try:
                return _convert(value, one)
            except TypeError:
                continue
        raise TypeError
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind) and isinstance(value, str):
            return value
        raise TypeError
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if not isinstance(value, list):
            raise TypeError
        if inner[0] is str and all(isinstance(v, str | int) and not isinstance(v, bool) for v in value):
            return tuple(map(str, value))
        kinds = inner[:1] * len(value) if inner[-1] is ... else inner
        if len(kinds) != len(value):
            raise TypeError
        return tuple(_convert(v, one) for v, one in zip(value, kinds, strict=True))
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if (kind is bool or not isinstance(value, bool)) and isinstance(value, kind) and kind is not float:
        return value
    raise TypeError


def _build(settings: _Settings) -> Config:
    kinds = _types()
    values: dict[str, Any] = {}
    for name, setting in settings.items():
        # A name such as 0011, or ~, is what was written; an empty value is the empty string.
        written = kinds[name] is str and type(setting.value) in (int, float, type(None))
        try:
            values[name] = _convert(setting.text if written else setting.value, kinds[name])
        except (TypeError, OverflowError):
            expected, found = _describe(kinds[name]), "nothing" if setting.value is None else repr(setting.value)
            raise UserError(f"{setting.where}: {name} must be {expected}; found {found}") from None
    parts = {
        section: kind(**{n.partition(".")[2]: v for n, v in values.items() if n.startswith(f"{section}.")})
        for section, kind in _sections().items()
    }
    config = Config(**{n: v for n, v in values.items() if "." not in n}, **parts)
    check(config, {name: setting.where for name, setting in settings.items()})
    return config


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Settings from a YAML file, with `key.path=value` overrides.

    Raises:
        UserError: naming file and line, or override, for whatever is not as it should be.
    """
    return _build(_read(path) | dict(map(_override, overrides)))


def check_sections(content: Mapping[str, Any], where: str) -> Config:
    """Settings from sections as `to_dict` gives them, such as JSON has kept; what is absent is as usual.

    Raises:
        UserError: naming `where`, for whatever is not as it should be.
    """
    kinds, settings = _types(), dict[str, Setting]()
    for section, values in content.items():
        if not isinstance(values, dict):
            raise UserError(f"{where}: {section} must be settings by name; found {values!r}")
        settings.update({f"{section}.{name}": Setting(value, where) for name, value in values.items()})
    for name in settings:
        if name not in kinds:
            raise _unknown(name, where, list(kinds))
    return _build(settings)


def to_dict(config: Config) -> dict[str, Any]:
    """All settings, as YAML and JSON know them."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, tuple) else value

    plained: dict[str, Any] = plain(dataclasses.asdict(config))
    return plained


def dump_config(config: Config) -> str:
    """All settings as YAML that `load_config` reads back as equal."""
    text: str = yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    return text
