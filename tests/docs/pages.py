"""What stands in the documentation's pages between fences, and in inline code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)\s*$")
INLINE = re.compile(r"`([^`\n]+)`")
COMMANDS = ("", "sh", "bash")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is its first, from 1."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, *kinds: str) -> Iterator[Block]:
    """Fenced blocks of these kinds, in their order."""
    opened: tuple[int, str] | None = None
    kept: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if fence is None:
            kept.append(line)
        elif opened is None:
            opened, kept = (number + 1, fence[1]), []
        else:
            if opened[1] in kinds:
                yield Block(page, *opened, "\n".join(kept))
            opened = None


def write_settings(page: Path, folder: Path) -> list[Path]:
    """The settings of a page as files, of the name in their first line, such as `# my.yaml`; in their order."""
    found: list[Path] = []
    for number, block in enumerate(blocks(page, "yaml")):
        named = re.match(r"# ([\w-]+\.yaml)", block.text)
        found.append(folder / (named[1] if named else f"settings-{number}.yaml"))
        found[-1].write_text(block.text, encoding="utf-8")
    return found


def inline(page: Path) -> Iterator[str]:
    """Inline code, that of fenced blocks left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from INLINE.findall(text)
