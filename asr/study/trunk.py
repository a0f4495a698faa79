"""What cells of a study have in common: trained once, and gone on from by each of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from asr.checkpoint.checkpoint import (
    Checkpoint,
    DamagedCheckpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from asr.config import Config, PseudoConfig
from asr.config_checks import schedules
from asr.config_file import to_dict
from asr.recipe.experiment import digest
from asr.recipe.sources import fingerprint_sources
from asr.scaling.plan import Plan
from asr.schedule import until
from asr.science import scientific
from asr.step.clock import Clock, reached

APART = ("name", "decode", "batch_scale", "scaling")
"""Settings that say nothing of training, and those of which the plan tells what they do."""


def beginning(config: Config, hours: float) -> str:
    """A digest of all that decides on training until an hour of audio: runs of equal ones are alike until then.

    What is not sure to come later counts: a digest may differ where training does not.
    """
    settings = scientific(to_dict(config))
    plan = Plan(config)
    for name in APART:
        del settings[name]
    scales = [[since, scale] for since, scale in plan.points if since < hours]
    later = config.pseudo.labels == "none" or config.pseudo.start_hours >= hours
    cut = plan.at(0.0)
    settings["batch"]["units"] = [cut.whole.count, cut.whole.seconds]
    if later:
        del settings["pseudo"], settings["objective"]["soft_share"]
    else:
        settings["batch"]["share"] = [cut.labeled.seconds, cut.unlabeled.seconds]
    for section, name in (setting.split(".") for setting in schedules()):
        if section in settings:
            settings[section][name] = until(getattr(getattr(config, section), name), hours)
    schedule = config.schedule
    if schedule.decay == "none" or (schedule.decay_start_hours or 0.0) >= hours:
        for name in ("total_hours", "decay_start_hours", "decay", "final_share"):
            del settings["schedule"][name]
    scaling = config.scaling
    rules: list[object] = [scaling.ema_clock, scaling.adascale]
    rules += fingerprint_sources(replace(config, pseudo=PseudoConfig(labels="none")) if later else config)
    if any(scale != 1 for _, scale in scales):
        rules += [scaling.ema, scaling.optimizer, scaling.ramp_hours]
    return digest([settings, scales, rules])


def _hours(state: dict[str, object], config: Config) -> float:
    return Clock(config.batch.base_seconds, 0, float(str(state["base_steps"]))).hours


def has_begun(run: Path) -> bool:
    return bool(list_checkpoints(run / "checkpoints"))


def newest_until(run: Path, config: Config, hours: float) -> Checkpoint | None:
    """The newest whole checkpoint of a run that is not past an hour of audio; None where there is none."""
    for path in reversed(list_checkpoints(run / "checkpoints")):
        try:
            found = load_checkpoint(path)
        except DamagedCheckpoint:
            continue
        if reached(hours, _hours(found.state, config)):
            return found
    return None


def grown(run: Path, config: Config, hours: float) -> bool:
    """Whether a run need not be trained until an hour of audio: it has a checkpoint from there, or is past it."""
    newest = load_newest(run / "checkpoints")
    return newest is not None and reached(_hours(newest.state, config), hours)


def fork(trunk: Path, config: Config, hours: float, cells: Mapping[Path, Config]) -> list[Path]:
    """Let runs that have no checkpoint go on from the trunk's newest one that is not past an hour of audio.

    Args:
        trunk: the run that was trained.
        config: its settings.
        hours: of audio, until which all are alike.
        cells: settings of the others by their runs' folders.

    Returns:
        Those that do. None do where the trunk has kept no such checkpoint: they then train all of it themselves.
    """
    source = newest_until(trunk, config, hours)
    if source is None:
        return []
    begun = [run for run in cells if not has_begun(run)]
    for run in begun:
        run.mkdir(parents=True, exist_ok=True)
        # First the lines up to there, of which training leaves out what lies beyond its checkpoint.
        shutil.copyfile(trunk / "metrics.jsonl", run / "metrics.jsonl")
        state = source.state | {"settings": to_dict(cells[run])}
        save_checkpoint(run / "checkpoints", Checkpoint(source.step, source.tensors, state))
    return begun
