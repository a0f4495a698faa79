"""What cells of a study have in common: trained once, and gone on from by each of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from asr.config import Config
from asr.config_file import to_dict
from asr.recipe.experiment import digest
from asr.scaling.plan import Plan
from asr.train.checkpoint import DamagedCheckpoint, list_checkpoints, load_checkpoint
from asr.train.clock import Clock, reached

APART = ("name", "decode", "batch_scale", "scaling")
"""Settings that say nothing of training, and those of which the plan tells what they do."""
LABELED_ONLY = ("precision", "engine", "max_skipped_steps", "max_bad_audio")


def beginning(config: Config, hours: float) -> str:
    """A digest of all that decides on training until an hour of audio: runs of equal ones are alike until then.

    What is not sure to come later counts: a digest may differ where training does not.
    """
    settings = to_dict(config)
    plan = Plan(config)
    for name in APART:
        del settings[name]
    settings["train"] = {name: settings["train"][name] for name in LABELED_ONLY}
    scales = [[since, scale] for since, scale in plan.points if since < hours]
    later = config.pseudo.labels == "none" or config.pseudo.start_hours >= hours
    cut = plan.at(0.0)
    settings["batch"]["units"] = [cut.whole.count, cut.whole.seconds]
    if later:
        del settings["pseudo"], settings["objective"]["soft_share"]
    else:
        settings["batch"]["share"] = [cut.labeled.seconds, cut.unlabeled.seconds]
    schedule = config.schedule
    if schedule.decay == "none" or (schedule.decay_start_hours or 0.0) >= hours:
        for name in ("total_hours", "decay_start_hours", "decay", "final_share"):
            del settings["schedule"][name]
    scaling = config.scaling
    rules: list[object] = [scaling.ema_clock, scaling.adascale]
    if any(scale != 1 for _, scale in scales):
        rules += [scaling.ema, scaling.optimizer, scaling.ramp_hours]
    return digest([settings, scales, rules])


def _hours(state: dict[str, object], config: Config) -> float:
    return Clock(config.batch.base_seconds, 0, float(str(state["base_steps"]))).hours


def has_begun(run: Path) -> bool:
    return bool(list_checkpoints(run / "checkpoints"))


def newest_until(run: Path, config: Config, hours: float) -> Path | None:
    """The newest whole checkpoint of a run that is not past an hour of audio; None where there is none."""
    for path in reversed(list_checkpoints(run / "checkpoints")):
        try:
            at = _hours(load_checkpoint(path).state, config)
        except DamagedCheckpoint:
            continue
        if reached(hours, at):
            return path
    return None


def grown(run: Path, config: Config, hours: float) -> bool:
    """Whether a run need not be trained until an hour of audio: it has a checkpoint from there, or is past it."""
    for path in reversed(list_checkpoints(run / "checkpoints")):
        try:
            return reached(_hours(load_checkpoint(path).state, config), hours)
        except DamagedCheckpoint:
            continue
    return False


def fork(trunk: Path, config: Config, hours: float, runs: Sequence[Path]) -> list[Path]:
    """Let runs that have no checkpoint go on from the trunk's newest one that is not past an hour of audio.

    Returns:
        Those that do. None do where the trunk has kept no such checkpoint: they then train all of it themselves.
    """
    source = newest_until(trunk, config, hours)
    if source is None:
        return []
    begun: list[Path] = []
    for run in runs:
        final = run / "checkpoints" / source.name
        if has_begun(run):
            continue
        aside = run / f".fork-of-{trunk.name}"
        shutil.rmtree(aside, ignore_errors=True)
        run.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, aside, copy_function=_link)
        # First the lines up to there, of which training leaves out what lies beyond its checkpoint.
        shutil.copyfile(trunk / "metrics.jsonl", run / "metrics.jsonl")
        final.parent.mkdir(exist_ok=True)
        aside.rename(final)
        begun.append(run)
    return begun


def _link(source: str, target: str) -> str:
    """Checkpoints are written once: a second name serves as well as a copy, where the disk has such."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
