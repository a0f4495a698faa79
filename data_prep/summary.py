"""What manifests hold, in hours, and what was left out of them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import UserError
from data_prep.source import Rejection
from data_prep.subset import Subset

SHOWN = 3
"""Rejected files that are named on screen, of each reason."""


@dataclass(frozen=True)
class SubsetSummary:
    name: str
    role: str
    utterances: int
    hours: float
    speakers: int
    rejections: tuple[Rejection, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)
    """What was done to audio, and to how many files or utterances."""


def summarize(subset: Subset, role: str) -> SubsetSummary:
    """`role` is the part that the subset plays."""
    hours = sum(u.duration for u in subset.utterances) / 3600
    speakers = len({u.speaker for u in subset.utterances})
    notes = dict(+subset.notes)
    return SubsetSummary(subset.name, role, len(subset.utterances), hours, speakers, tuple(subset.rejections), notes)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def write_summary(out_dir: Path, summaries: Sequence[SubsetSummary]) -> None:
    """Write `summary.json`, and `rejected.jsonl` with all that was left out."""
    rows = [{**dataclasses.asdict(s), "rejections": len(s.rejections)} for s in summaries]
    _write_text(out_dir / "summary.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    lines = [
        json.dumps({"subset": s.name, "role": s.role, **dataclasses.asdict(r)}, ensure_ascii=False) + "\n"
        for s in summaries
        for r in s.rejections
    ]
    _write_text(out_dir / "rejected.jsonl", "".join(lines))


def read_summary(out_dir: Path) -> list[SubsetSummary]:
    """What `write_summary` has written.

    Raises:
        UserError: it is not there, or not as it was written.
    """
    try:
        rows = json.loads((out_dir / "summary.json").read_text(encoding="utf-8"))
        lines = [json.loads(line) for line in (out_dir / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
        left_out: dict[tuple[str, str], list[Rejection]] = defaultdict(list)
        for line in lines:
            left_out[line.pop("subset"), line.pop("role")].append(Rejection(**line))
        found = [SubsetSummary(**{**row, "rejections": tuple(left_out[row["name"], row["role"]])}) for row in rows]
        # Lines that were cut off would be utterances that nobody misses.
        whole = [row["rejections"] for row in rows] == [len(summary.rejections) for summary in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole, found = False, []
    if not whole:
        raise UserError(
            f"{out_dir}: summary.json and rejected.jsonl, which say what was left out, are not as they were written; "
            "put them back, or name another folder"
        )
    return found


def format_summary(summaries: Sequence[SubsetSummary]) -> str:
    """A table of the subsets, and what was left out by reason with a few examples each."""
    lines = [f"{'subset':<20} {'part':<10} {'utterances':>10} {'hours':>8} {'speakers':>8} {'left out':>8}"]
    for s in summaries:
        counts = f"{s.utterances:>10,} {s.hours:>8.2f} {s.speakers:>8,} {len(s.rejections):>8,}"
        lines.append(f"{s.name:<20} {s.role:<10} {counts}")
    notes = sum((Counter(summary.notes) for summary in summaries), Counter[str]())
    lines += [f"note, {note}: {count:,}" for note, count in notes.most_common()]
    by_reason: dict[str, list[Rejection]] = defaultdict(list)
    for summary in summaries:
        for rejection in summary.rejections:
            by_reason[rejection.reason].append(rejection)
    for reason, rejections in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines.append(f"left out, {reason}: {len(rejections):,}")
        for r in rejections[:SHOWN]:
            lines.append(f"  {r.path}" + (f" ({r.detail})" if r.detail else ""))
        if len(rejections) > SHOWN:
            lines.append("  … all are listed in rejected.jsonl")
    return "\n".join(lines)
