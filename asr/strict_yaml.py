"""YAML as people mean it: names once, no aliases, and nothing read that is not written.

YAML 1.1, which PyYAML reads, takes 0011 for 9, 1:30 for 90 and 1e-3 for text, and the last of two equal names for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asr.errors import UserError


@dataclass(frozen=True)
class Setting:
    value: Any
    where: str
    text: str | None = None
    """As written, for plain words and numbers: a name such as 0011 or 1e3 stays one."""


class _Composer(yaml.SafeLoader):
    """Without aliases: ten lines of them make a list of a billion entries."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not used in settings", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class _Loader(yaml.SafeLoader):
    """A speaker's id must stay as it is written."""


def _number_or_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float | str:
    text = str(loader.construct_scalar(node))
    if re.fullmatch(r"-?[1-9][0-9]*|0", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]*([eE][-+]?[0-9]+)?", text) else text


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number_or_text)


def parse(text: str, where: str) -> yaml.Node | None:
    """What a text holds; nothing for an empty one. Raises UserError, naming `where`, for what is no YAML."""
    try:
        return yaml.compose(text, Loader=_Composer)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid YAML ({' '.join(str(error).split())})") from None


def read(path: Path) -> yaml.Node | None:
    """As `parse`, of a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read settings ({error})") from None
    return parse(text, str(path))


def entries(node: yaml.Node | None, where: str) -> Iterator[tuple[str, yaml.Node, int]]:
    """Name, value and line of each. Raises UserError where there are none by name, or one comes twice."""
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{where}: expected settings by name, such as `seed: 1`")
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        line = key.start_mark.line + 1
        if name in seen:
            raise UserError(f"{where}, line {line}: {name!r} is set twice")
        seen.add(name)
        yield name, value, line


def setting(node: yaml.Node, where: str) -> Setting:
    """What a node holds. YAML 1.1 reads `1e-3` as text; people mean a number."""
    try:
        value = _Loader("").construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{where}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return Setting(value, where)
    return Setting(_number(value) if isinstance(value, str) else value, where, node.value)


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
