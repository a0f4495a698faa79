"""Files that say that a stage is done."""

from __future__ import annotations

import json
from pathlib import Path

from asr.whole_file import write_whole


def mark(path: Path, stage: int, name: str) -> None:
    """Leave the marker of a stage."""
    write_whole(path, json.dumps({"stage": stage, "name": name}) + "\n")


def _audio_is_gone(manifests: Path, cache: Path) -> bool:
    """Whether decoded audio was deleted under its manifests; one such utterance of each is looked for."""
    beginning = json.dumps(str(cache), ensure_ascii=False)[1:-1] + "/"
    for path in sorted(path for path in manifests.glob("*.jsonl") if path.stem != "rejected"):
        with path.open(encoding="utf-8") as file:
            first = next((line for line in file if beginning in line), None)
        if first is not None and not Path(json.loads(first)["audio_filepath"]).exists():
            return True
    return False


def is_done(stage: int, done: Path, cache: Path) -> bool:
    """Whether a stage has left its marker, and the audio that manifests point to is still there."""
    return done.is_file() and not (stage == 1 and _audio_is_gone(done.parent, cache))


def changed(folder: Path) -> bool:
    """Whether a folder with another digest stands beside this one."""
    kind = folder.name.rpartition("-")[0]
    return any(p.name.rpartition("-")[0] == kind and p != folder for p in folder.parent.glob("*"))
