"""Features of the same speech in other rooms: with what else sounds there, and with its echo.

On features that are normalised per utterance and band, since a student shares them with the teacher who hears them
clean: powers add and decay in bands as they do in waveforms, up to phases (Hirsch and Finster, Speech Communication 50,
2008, adapt models to rooms and noise in the same domain). To a band of mean 0 and deviation 1 steady noise is a level.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asr.data.draws import draw_each
from asr.device import send

DEVIATION = 3.0
"""Of log-mel powers of read speech within an utterance, in nats: 13 dB."""
QUIETEST, LOUDEST = -2.0, 0.3
"""Mean level of noise, in deviations from the mean of each band: speech itself reaches 1.5."""
TILT = 0.7
"""Deviations by which noise differs between bands, at most, in each of the waves that its spectrum is made of."""
WAVES = 3
RIPPLE = 0.3
"""Nats by which steady noise in one frame and band differs from its mean, as a sum of some ten powers does."""
PERIOD = 256
"""Frames after which it repeats itself."""
SHORTEST, LONGEST = 0.15, 0.7
"""Seconds until echo has fallen by 60 dB."""
TAPS_SECONDS = 0.3
"""How long echo is followed."""
DRIEST, WETTEST = -12.0, 0.0
"""Power of echo against what comes straight, in dB."""
SILENCE = 1e-30
"""Least power, of the loudest frame's."""


def _levels(rng: np.random.Generator, utterances: int, mels: int) -> Tensor:
    """Noise of a smooth random spectrum, `(batch, mels)`, in deviations."""
    draws = torch.from_numpy(draw_each(rng, (1 + 2 * WAVES,), utterances)).float()
    level = QUIETEST + (LOUDEST - QUIETEST) * draws[0][:, None]
    axis = torch.linspace(0, math.pi, mels)
    for wave in range(WAVES):
        height, phase = draws[1 + 2 * wave][:, None], draws[2 + 2 * wave][:, None]
        level = level + TILT * height / (wave + 1) * torch.cos((wave + 1) * axis + 2 * math.pi * phase)
    return level


def _echo(rng: np.random.Generator, utterances: int, frame_seconds: float) -> Tensor:
    """Power that each frame leaves to those after it, itself with 1, `(batch, taps)`, latest first."""
    draws = torch.from_numpy(draw_each(rng, (2,), utterances)).float()
    seconds = SHORTEST + (LONGEST - SHORTEST) * draws[0][:, None]
    share = 10 ** ((DRIEST + (WETTEST - DRIEST) * draws[1][:, None]) / 10)
    times = frame_seconds * torch.arange(1, round(TAPS_SECONDS / frame_seconds) + 1)
    falling = torch.exp(-6 * math.log(10) * times / seconds)
    late = share * falling / falling.sum(1, keepdim=True)
    return torch.cat((late.flip(1), torch.ones(utterances, 1)), 1)


def _normalised(features: Tensor, live: Tensor, real: Tensor) -> Tensor:
    """Mean 0 and variance 1 per utterance and band over frames that are live, `(batch, frames, 1)`; other real frames
    are as quiet as the band becomes, as `LogMel` has it, and all else is 0."""
    count = live.sum(1, keepdim=True).clamp(min=1)
    features = features * live
    features = (features - features.sum(1, keepdim=True) / count) * live
    features = features / ((features.square().sum(1, keepdim=True) / count).sqrt() + 1e-3)
    return torch.where(real & ~live, features.amin(1, keepdim=True), features)


def other_room(
    features: Tensor, frames: Tensor, noise: float, echo: float, frame_seconds: float, rng: np.random.Generator
) -> Tensor:
    """Some utterances with steady noise of a random spectrum, some with echo, and all of these normalised again.

    Args:
        features: normalised log-mel features `(batch, frames, mels)`, left unchanged.
        frames: real frames of each utterance, `(batch,)`, on the features' device.
        noise: share of utterances that get noise.
        echo: share of utterances that get echo; some get both.
        frame_seconds: from one feature frame to the next.
        rng: the only source of randomness.
    """
    batch, longest, mels = features.shape
    device = features.device
    chosen = torch.from_numpy(draw_each(rng, (2,), batch)) < torch.tensor([[noise], [echo]])
    features = features.float()
    real = (torch.arange(longest, device=device) < frames[:, None])[:, :, None]
    # Digital zeros are as quiet as each band becomes, in all of them at once.
    quietest = features.masked_fill(~real, math.inf).amin(1, keepdim=True)
    live = real & (features > quietest).any(2, keepdim=True)
    # What is far from the loudest has no power that can be told from 0; none becomes infinite.
    loudest = features.masked_fill(~real, -math.inf).amax(1, keepdim=True).clamp(min=0)
    power = ((features - loudest) * DEVIATION).exp() * real
    if echo:
        taps = _echo(rng, batch, frame_seconds)
        taps[~chosen[1], :-1] = 0
        before = F.pad(power.transpose(1, 2), (taps.shape[1] - 1, 0)).transpose(0, 1)
        power = F.conv1d(before, send(taps[:, None], device), groups=batch).permute(1, 2, 0)
    if noise:
        level = _levels(rng, batch, mels)
        level[~chosen[0]] = -math.inf
        # As many numbers for a part of a micro-batch as for all of it; noise repeats itself unheard.
        ripple = send(torch.from_numpy(draw_each(rng, (), batch, (PERIOD, mels))).float(), device)
        nats = (ripple * 2 - 1) * (math.sqrt(3) * RIPPLE)
        sounding = ((send(level[:, None], device) - loudest) * DEVIATION + nats).exp()
        power = power + sounding.repeat(1, -(-longest // PERIOD), 1)[:, :longest]
    elsewhere = _normalised(power.clamp(min=SILENCE).log() / DEVIATION, live, real)
    return torch.where(send(chosen.any(0), device)[:, None, None], elsewhere, features)
