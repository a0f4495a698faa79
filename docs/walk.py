"""Which rooms of the house one training step enters: traces a step, and draws what it saw.

    python docs/walk.py trace [FOLDER]            arrows between rooms, as JSON; FOLDER: another checkout
    python docs/walk.py draw OUT.svg NAME=TRACE.json …

The step has labeled and pseudo-labeled audio, and neither evaluates nor saves. An arrow goes from the room of a
function that calls another to the room of that one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

TRACED = 8
"""The step that is traced: of the tests' tiny corpus, the fourth with pseudo-labels."""
Arrows = dict[tuple[str, str], set[str]]
"""Functions that are called, by the rooms from and to which."""


def trace(root: Path) -> Arrows:
    """What step `TRACED` calls, in the checkout `root`."""
    sys.path[:0] = [str(root), str(root / "tests")]
    from tiny_corpus import write_tiny_corpus  # type: ignore[import-not-found]

    from asr.train.run import train

    try:
        from asr.step.learner import Learner
    except ImportError:
        # As it was.
        from asr.train.learner import Learner  # type: ignore[import-not-found,no-redef]

    rooms = root / "asr"
    found: Arrows = defaultdict(set)
    steps = 0

    def room(code: CodeType) -> str | None:
        path = Path(code.co_filename)
        # A file beside the rooms is furniture of all of them, and so are settings.
        inside = rooms in path.parents and path.parent not in (rooms, rooms / "config")
        return path.relative_to(rooms).parts[0] if inside else None

    def see(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or steps != TRACED - 1:
            return
        to, caller = room(frame.f_code), frame.f_back
        while caller is not None and room(caller.f_code) is None:
            caller = caller.f_back
        start = None if caller is None else room(caller.f_code)
        if to is not None and start is not None and start != to:
            found[start, to].add(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}")

    whole_step = Learner.step

    def counted(self: Learner, *arguments: Any, **named: Any) -> Any:
        nonlocal steps
        result = whole_step(self, *arguments, **named)
        steps += 1
        return result

    Learner.step = counted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        corpus = write_tiny_corpus(Path(folder))
        quiet = replace(corpus.config.train, log_hours=100.0, evaluate_hours=100.0, checkpoint_hours=100.0)
        config = replace(corpus.config, train=quiet)
        sys.setprofile(see)
        try:
            train(config, corpus.manifests, corpus.tokens, Path(folder) / "run", stop_after=TRACED)
        finally:
            sys.setprofile(None)
            Learner.step = whole_step  # type: ignore[method-assign]
    return dict(found)


def floors(arrows: Arrows) -> dict[str, int]:
    """The longest way from the top to each room; a room that is on a way to itself is where it was first met."""
    found = {"train": 0}

    def descend(room: str, above: tuple[str, ...]) -> None:
        for start, to in arrows:
            if start == room and to not in above and found.get(to, 0) <= found[room]:
                found[to] = found[room] + 1
                descend(to, (*above, to))

    descend("train", ("train",))
    return found


WIDE, HIGH, GAP, STEP = 82, 30, 10, 92


def _panel(name: str, arrows: Arrows, left: int, width: int) -> str:
    floor = floors(arrows)
    places: dict[str, tuple[float, float]] = {}
    for level in sorted(set(floor.values())):
        here = sorted(room for room in floor if floor[room] == level)
        start = left + (width - len(here) * (WIDE + GAP) + GAP) / 2
        for number, room in enumerate(here):
            places[room] = (start + number * (WIDE + GAP) + WIDE / 2, 60.0 + level * STEP)
    back = {pair for pair in arrows if floor[pair[0]] >= floor[pair[1]]}
    parts = [f'<text x="{left + width / 2}" y="24" class="name">{name}</text>']
    for pair in sorted(arrows):
        (x1, y1), (x2, y2) = places[pair[0]], places[pair[1]]
        down = HIGH / 2 if y2 > y1 else -HIGH / 2
        turn = 14 if pair in back else 0
        kind = "back" if pair in back else "down"
        parts.append(
            f'<line x1="{x1 + turn:.0f}" y1="{y1 + down:.0f}" x2="{x2 + turn:.0f}" y2="{y2 - down:.0f}" '
            f'class="{kind}" stroke-width="{0.8 + 0.35 * len(arrows[pair]):.1f}" marker-end="url(#{kind})"/>'
        )
    for room, (x, y) in places.items():
        parts.append(f'<rect x="{x - WIDE / 2:.0f}" y="{y - HIGH / 2:.0f}" width="{WIDE}" height="{HIGH}" rx="4"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 5:.0f}">{room}</text>')
    return "\n".join(parts)


STYLE = """<style>text{font:14px sans-serif;text-anchor:middle;fill:#222}.name{font-weight:bold}
rect{fill:#f4f1e8;stroke:#666}line{stroke:#2f5d8a;opacity:.75}line.back{stroke:#c0392b}</style>"""
HEAD = '<marker id="{0}" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" '
HEAD += 'markerHeight="9" orient="auto"><path d="M0 0L8 4L0 8z" fill="{1}"/></marker>'


def draw(panels: dict[str, Arrows]) -> str:
    """SVG of the rooms that each trace enters, those above calling those below."""
    width = 580
    height = 60 + STEP * max(max(floors(arrows).values()) for arrows in panels.values()) + 40
    heads = HEAD.format("down", "#2f5d8a") + HEAD.format("back", "#c0392b")
    drawn = [_panel(name, arrows, width * number, width) for number, (name, arrows) in enumerate(panels.items())]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width * len(panels)} {height}">\n{STYLE}\n'
        f'<defs>{heads}</defs>\n<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def main(arguments: list[str]) -> None:
    verb, *rest = arguments
    if verb == "trace":
        arrows = trace(Path(rest[0] if rest else Path(__file__).parents[1]).resolve())
        json.dump([[*pair, sorted(calls)] for pair, calls in sorted(arrows.items())], sys.stdout, indent=0)
        return
    panels = dict(one.split("=", 1) for one in rest[1:])
    read = {name: {(a, b): set(calls) for a, b, calls in json.loads(Path(p).read_text())} for name, p in panels.items()}
    Path(rest[0]).write_text(draw(read), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
