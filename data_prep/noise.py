"""Background noise and its mixing into speech, in integers only: the same bits everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from data_prep.draws import Draws

KINDS = ("white", "pink", "hum", "babble")

_SAMPLE_RATE = 16000
_PINK_OCTAVES = 9
_BABBLE_VOICES = 4
_GAIN_BITS = 24
_THOUSANDFOLD_POWER = (1000, 1259, 1585, 1995, 2512, 3162, 3981, 5012, 6310, 7943)
"""1000 * 10**(dB / 10) for 0 to 9 dB."""


def white(draws: Draws, count: int) -> NDArray[np.int64]:
    """Sums of four uniform numbers, close to Gaussian, `(count,)`."""
    uniform = draws.int16(4 * count).reshape(4, count).astype(np.int64)
    total: NDArray[np.int64] = uniform[0] + uniform[1] + uniform[2] + uniform[3]
    return total


def pink(draws: Draws, count: int) -> NDArray[np.int64]:
    """White noises, each held twice as long as the one before (Voss), `(count,)`."""
    total = np.zeros(count, dtype=np.int64)
    for octave in range(_PINK_OCTAVES):
        held = 2**octave
        offset = draws.below(held)
        total += np.repeat(white(draws, count // held + 2), held)[offset : offset + count]
    return total


def hum(draws: Draws, count: int) -> NDArray[np.int64]:
    """Harmonics of a mains-like tone of 90 to 260 Hz over faint white noise, `(count,)`."""
    time = np.arange(count, dtype=np.int64)
    step = draws.between(90, 260) * 2**24 // _SAMPLE_RATE
    total = white(draws, count) >> 3
    for harmonic in range(1, 9):
        phase = ((time * step * harmonic + draws.below(2**24)) >> 8 & 0xFFFF) - 2**15
        # Two parabolas per period stand for the sine.
        sine = phase * (2**15 - np.abs(phase)) >> 13
        total += sine * draws.between(1, 16) // harmonic
    return total


def babble(draws: Draws, count: int, talk: Sequence[NDArray[np.int16]]) -> NDArray[np.int64]:
    """Several of the recordings `talk` at once, each from a random place and in a loop, `(count,)`."""
    total = np.zeros(count, dtype=np.int64)
    for _ in range(_BABBLE_VOICES):
        voice = draws.choice(talk)
        start = draws.below(len(voice))
        total += voice[(start + np.arange(count)) % len(voice)]
    return total


def make_noise(kind: str, draws: Draws, count: int, talk: Sequence[NDArray[np.int16]]) -> NDArray[np.int64]:
    """Noise of one of `KINDS`, `(count,)`, of no particular level."""
    if kind == "babble":
        return babble(draws, count, talk)
    return {"white": white, "pink": pink, "hum": hum}[kind](draws, count)


def mix(speech: NDArray[np.int16], noise: NDArray[np.int64], snr_db: int, level: int) -> NDArray[np.int16]:
    """Speech at root mean square `level` plus noise `snr_db` (0 or more) below it, both `(samples,)`."""
    wide = speech.astype(np.int64)
    speech_energy = max(1, int((wide * wide).sum()))
    noise_energy = max(1, int((noise * noise).sum()))
    target = level * level * len(speech)
    ratio = _THOUSANDFOLD_POWER[snr_db % 10] * 10 ** (snr_db // 10)
    speech_gain = isqrt((target << 2 * _GAIN_BITS) // speech_energy)
    noise_gain = isqrt((1000 * target << 2 * _GAIN_BITS) // (ratio * noise_energy))
    mixed = (wide * speech_gain + noise * noise_gain) >> _GAIN_BITS
    clipped: NDArray[np.int16] = np.clip(mixed, -(2**15), 2**15 - 1).astype(np.int16)
    return clipped
