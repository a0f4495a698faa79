"""Which values settings may have, beside their types."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asr.config import LABELERS, MOST_BEAM, Config, OptimizerConfig
from asr.errors import UserError
from asr.schedule import Schedule, only_jumps, values_of

POSITIVE = (
    "batch_scale corpus.labeled_hours corpus.max_seconds tokens.size features.mels features.window_ms "
    "features.shift_ms model.layers model.width model.heads model.proxy_head_width model.feedforward model.kernel "
    "model.stride "
    "batch.base_seconds batch.unit_seconds batch.max_device_seconds batch.frame_multiple optimizer.lr "
    "optimizer.max_grad_norm optimizer.head_lr objective.mask_share objective.mask_seconds "
    "objective.masks objective.top_blocks "
    "optimizer.proxy_width schedule.total_hours teacher.half_life_hours teacher.half_life_share teacher.epoch_hours "
    "pseudo.temperature pseudo.beam train.keep_last "
    "decode.beam decode.tokens"
).split()
SHARES = (
    "specaugment.time_share specaugment.noise specaugment.echo objective.intermediate_weight objective.soft_share "
    "model.dropout model.layerdrop pseudo.best_share pseudo.cache_turnover pseudo.max_churn pseudo.min_agreement "
    "schedule.final_share"
).split()
BELOW_ONE = (
    "specaugment.frequency_warp specaugment.time_stretch optimizer.beta1 optimizer.beta2 optimizer.momentum "
    "teacher.momentum teacher.epoch_weight pseudo.unlabeled_share objective.mask_share"
).split()
NOT_NEGATIVE = (
    "corpus.min_seconds specaugment.frequency_masks specaugment.frequency_width specaugment.time_masks "
    "specaugment.time_width specaugment.start_hours batch.length_jitter optimizer.eps optimizer.weight_decay "
    "model.convolution model.half_rate schedule.warmup_hours schedule.decay_start_hours pseudo.start_hours "
    "schedule.frozen_hours scaling.start_hours scaling.ramp_hours "
    "pseudo.min_tokens pseudo.cache_hours pseudo.weight pseudo.lm_weight pseudo.blank_penalty objective.consistency "
    "train.log_hours train.evaluate_hours train.checkpoint_hours train.checkpoint_minutes train.keep_best "
    "train.max_skipped_steps train.max_bad_audio train.loader_threads decode.lm_weight "
    "decode.blank_penalty decode.hotword_score seed"
).split()


def schedules() -> list[str]:
    """Settings that may change on the clock of audio, by dotted name."""
    return [
        f"{section}.{name}"
        for section, kind in typing.get_type_hints(Config).items()
        if dataclasses.is_dataclass(kind)
        for name, hint in typing.get_type_hints(kind).items()
        if hint in (Schedule, Schedule | None)
    ]


def check(config: Config, where: Mapping[str, str]) -> None:
    """Raises UserError for a value that no setting of its type can have, or for two that do not go together.

    Args:
        config: all settings.
        where: each setting was found, by dotted name; what is as usual was found nowhere.
    """

    def found(name: str) -> Any:
        section, _, inner = name.rpartition(".")
        return getattr(getattr(config, section) if section else config, inner)

    def refuse(name: str, must: str, other: str = "") -> UserError:
        """`other` is what the value does not go with, and may be the only one of both that was set."""
        place = next((f"{where[one]}: " for one in (name, other) if one in where), "")
        return UserError(f"{place}{name} must be {must}; found {found(name)!r}")

    checks: list[tuple[list[str], str, Callable[[Any], bool]]] = [
        (POSITIVE, "more than 0", lambda v: v > 0),
        (SHARES, "between 0 and 1", lambda v: 0 <= v <= 1),
        (BELOW_ONE, "at least 0 and less than 1", lambda v: 0 <= v < 1),
        (NOT_NEGATIVE, "at least 0", lambda v: v >= 0),
    ]
    for names, must, holds in checks:
        for name in names:
            if found(name) is not None and not all(map(holds, values_of(found(name)))):
                raise refuse(name, must)
    for name in schedules():
        if isinstance(found(name), tuple):
            hours = [hour for hour, _ in found(name)]
            if not hours or sorted(hours) != hours or hours[0] < 0:
                raise refuse(name, "a number, or [hour, value] points in the order of their hours")
    width, heads = config.model.width, config.model.heads
    if width % (2 * heads):
        raise refuse("model.width", f"a multiple of twice model.heads = {heads}", "model.heads")
    if config.model.kernel % 2 == 0:
        # Another frame would come out than the lengths say.
        raise refuse("model.kernel", "odd")
    if config.model.convolution % 2 == 0 and config.model.convolution:
        raise refuse("model.convolution", "odd, or 0 for none")
    if config.model.half_rate >= config.model.layers:
        raise refuse("model.half_rate", f"less than model.layers = {config.model.layers}")
    slow = config.model.slow_blocks
    if any(not 0 < after < config.model.layers or after in slow[1:] for after in config.model.intermediate):
        inside = f", and not within the blocks of half rate, {slow.start + 1} to {slow.stop - 1}" if slow[1:] else ""
        raise refuse("model.intermediate", f"from 1 to model.layers - 1 = {config.model.layers - 1}{inside}")
    _check_pretraining(config, refuse)
    if config.batch.frame_multiple % config.model.stride:
        raise refuse("batch.frame_multiple", f"a multiple of model.stride = {config.model.stride}", "model.stride")
    if config.objective.soft_share and config.specaugment.time_stretch:
        raise refuse(
            "objective.soft_share", "0 with specaugment.time_stretch: frames of student and teacher would part"
        )
    if not config.pseudo.labels:
        raise refuse("pseudo.labels", f"one of {', '.join(LABELERS)}, or a folder of labels")
    if config.pseudo.turnover == "churn" and not config.pseudo.cache_hours:
        raise refuse("pseudo.cache_hours", "more than 0 with pseudo.turnover: churn")
    if config.scaling.adascale and (config.pseudo.cache_hours or config.pseudo.denominator == "kept"):
        raise refuse(
            "scaling.adascale", "false with pseudo.cache_hours or pseudo.denominator: kept, whose groups differ"
        )
    if config.train.compile and not only_jumps(config.model.dropout):
        raise refuse(
            "model.dropout", "constant, or change in jumps, with train.compile: each value is compiled", "train.compile"
        )
    low, high = config.pseudo.length_rate or (0.0, 1.0)
    if not 0 <= low < high:
        raise refuse("pseudo.length_rate", "two numbers, the first at least 0 and less than the second")
    least = config.pseudo.min_mean_log_prob
    if least is not None and not all(value <= 0 for value in values_of(least)):
        raise refuse("pseudo.min_mean_log_prob", "at most 0, as logarithms of probabilities are")
    if config.optimizer.clip_ratio <= 1:
        raise refuse("optimizer.clip_ratio", "more than 1, or the bound of gradients would never rise")
    if config.optimizer.clip != "fixed" and config.optimizer.max_grad_norm != OptimizerConfig.max_grad_norm:
        raise refuse("optimizer.clip", "fixed with optimizer.max_grad_norm", "optimizer.max_grad_norm")
    if config.tokens.kind == "phones" and not config.tokens.lexicon:
        raise refuse("tokens.lexicon", "a file or cmudict, for tokens.kind = phones")
    if config.optimizer.kind != "adamw" and config.optimizer.proxy_width is not None:
        must = f"empty: its rule is AdamW's, not that of {config.optimizer.kind}"
        raise refuse("optimizer.proxy_width", must, "optimizer.kind")
    for name, width in (("decode.beam", config.decode.width), ("pseudo.beam", config.pseudo.beam)):
        if width > MOST_BEAM:
            raise refuse(name, f"at most {MOST_BEAM}, as memory grows with its square")
    if config.seed >= 2**63:
        raise refuse("seed", "less than 2**63")
    scored = [Path(subset).name for subset in (*config.corpus.dev, *config.corpus.test)]
    if len(set(scored)) < len(scored):
        # Their manifests and scores are files of these names.
        both = "corpus.dev" if not config.corpus.test else "corpus.test"
        raise refuse(both, "folders whose last parts differ, from those of corpus.dev too")
    channel = config.corpus.channel
    if channel not in ("mix", "each") and not (channel.isascii() and channel.isdecimal() and int(channel) > 0):
        raise refuse("corpus.channel", "mix, each or a number from 1")
    if Path(config.name).name != config.name or config.name in ("", ".", ".."):
        raise refuse("name", "a plain folder name")


def _check_pretraining(config: Config, refuse: Callable[..., UserError]) -> None:
    """What self-supervised objectives, and runs that start from them, do not go with."""
    objective, model = config.objective, config.model
    if model.init and config.pretrain:
        raise refuse("pretrain", "empty with model.init: a run starts from one model", "model.init")
    if config.schedule.frozen_hours and not (model.init or config.pretrain):
        raise refuse("schedule.frozen_hours", "0 without model.init or pretrain: there is nothing to keep")
    if config.schedule.frozen_hours and config.scaling.adascale:
        raise refuse("scaling.adascale", "false with schedule.frozen_hours: most gradients are not used")
    if objective.kind == "ctc":
        return
    name = f"objective.kind = {objective.kind}"
    if config.schedule.frozen_hours:
        raise refuse("schedule.frozen_hours", f"0 with {name}: there is no head that writes tokens", "objective.kind")
    if config.pseudo.labels != "none":
        raise refuse("pseudo.labels", f"none with {name}, which is of audio alone", "objective.kind")
    if objective.kind == "views" and config.specaugment.time_stretch:
        raise refuse("specaugment.time_stretch", f"0 with {name}: frames of two views would part", "objective.kind")
    if objective.kind == "masked" and objective.top_blocks > model.layers:
        raise refuse("objective.top_blocks", f"at most {model.layers}, the blocks that there are")
