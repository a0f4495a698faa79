"""What the student hears instead of clean features: other vocal tracts, speeds and rooms, masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asr.config import Config
from asr.data.draws import LargestDraws
from asr.data.room import other_room
from asr.data.specaugment import specaugment
from asr.data.warp import stretch_time, warp_frequency
from asr.device import send
from asr.objective.ctc import needed_frames
from asr.objective.objective import Inputs


def _change_speed(
    features: Tensor, frames: Sequence[int], targets: Sequence[Sequence[int]], config: Config, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """All of a micro-batch at another speed, but utterances whose targets would have too few frames then.

    So what an utterance is heard at depends on no other one, of which another device may have some.
    """
    largest, stride = config.specaugment.time_stretch, config.model.stride
    factor = float(rng.uniform(1 - largest, 1 + largest))
    changed, counts = stretch_time(features, torch.tensor(frames), factor, config.batch.frame_multiple)
    needed = [stride * (needed_frames(ids) + 1) if ids else 0 for ids in targets]
    tight = [at for at, count in enumerate(frames) if factor < 1 and needed[at] > factor * count]
    if tight:
        changed = F.pad(changed, (0, 0, 0, max(0, features.shape[1] - changed.shape[1])))
        counts[tight] = torch.tensor([frames[at] for at in tight])
        chosen = send(torch.tensor(tight), features.device)
        changed[chosen] = features[chosen]
    return changed, counts


def augment(
    clean: tuple[Tensor, Tensor],
    frames: Sequence[int],
    targets: Sequence[Sequence[int]],
    config: Config,
    hours: float,
    rng: np.random.Generator,
    views: int,
) -> Inputs:
    """What the student hears, of all views.

    Args:
        clean: features `(batch, frames, mels)` and real frames `(batch,)`, on the device.
        frames: the same real frames on the host.
        targets: what the utterances are trained on.
        config: its `specaugment`, among others.
        hours: of audio.
        rng: the only source of randomness.
        views: how many differently masked copies of each utterance are made; all have one speed, vocal tract and room.
    """
    features, real = clean
    settings, counts = config.specaugment, torch.tensor(frames)
    # In a rehearsal nothing is left out.
    if hours < settings.start_hours - 1e-9 and not isinstance(rng, LargestDraws):
        return Inputs(features.repeat(views, 1, 1), real.repeat(views), counts.repeat(views))
    if settings.frequency_warp:
        features = warp_frequency(features, settings.frequency_warp, rng)
    if settings.time_stretch:
        features, counts = _change_speed(features, frames, targets, config, rng)
        real = send(counts, features.device)
    if settings.noise or settings.echo:
        frame_seconds = config.features.shift_ms / 1000
        features = other_room(features, real, settings.noise, settings.echo, frame_seconds, rng)
    masked = [specaugment(features, counts, settings, rng) for _ in range(views)]
    heard = masked[0] if views == 1 else torch.cat(masked)
    return Inputs(heard, real.repeat(views), counts.repeat(views))
