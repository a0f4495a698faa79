"""What happens at an hour of audio, and every so many. Nothing is counted in steps."""

from __future__ import annotations

from asr.config import Config
from asr.scaling.plan import Plan


def events(plan: Plan) -> list[tuple[str, float]]:
    """Name and hour of everything that happens once; the end comes last."""
    config = plan.config
    schedule = config.schedule
    found = [("learning-rate warm-up ends", schedule.warmup_hours)]
    if schedule.decay_start_hours is not None:
        found.append(("learning-rate decay starts", schedule.decay_start_hours))
    if schedule.frozen_hours > 0:
        found.append(("encoder learns too", schedule.frozen_hours))
    if config.specaugment.start_hours > 0:
        found.append(("SpecAugment starts", config.specaugment.start_hours))
    if config.pseudo.labels != "none":
        found.append(("pseudo-labels start", config.pseudo.start_hours))
    found += [(f"κ becomes {scale:g}", hours) for hours, scale in plan.settled if hours > 0]
    return [*found, ("training ends", schedule.total_hours)]


def intervals(config: Config) -> list[tuple[str, float]]:
    """Name and hours between all that is done again and again."""
    train = config.train
    return [
        ("logging every", train.log_hours),
        ("evaluation every", train.evaluate_hours),
        ("checkpoint every", train.checkpoint_hours),
    ]
