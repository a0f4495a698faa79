"""22.05 kHz to 16 kHz, with the same bits on every machine.

A polyphase filter with integer coefficients. The products are summed by float64 matrix multiplication:
every partial sum is an integer below 2**53, hence exact in whatever order the machine adds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_UP, _DOWN = 320, 441
_HALF = 24
_SCALE_BITS = 15
_CUTOFF = 7400 / 11025
_GROUP = 32
"""Phases that share one matrix product: few, or the matrices are mostly zeros."""


def filter_taps() -> NDArray[np.float64]:
    """Hann-windowed sinc before rounding to integers, `(phases, taps)`, in units of the integer scale."""
    time = np.arange(1 - _HALF, _HALF + 1)[None, :] - np.arange(_UP)[:, None] / _UP
    window = 0.5 + 0.5 * np.cos(np.pi * time / _HALF)
    taps: NDArray[np.float64] = 2**_SCALE_BITS * _CUTOFF * np.sinc(_CUTOFF * time) * window
    return taps


def integer_taps() -> NDArray[np.int64]:
    """`filter_taps` rounded, each phase summing to exactly 2**15, `(phases, taps)`."""
    taps = np.rint(filter_taps()).astype(np.int64)
    centre = np.where(np.arange(_UP) <= _UP // 2, _HALF - 1, _HALF)
    taps[np.arange(_UP), centre] += 2**_SCALE_BITS - taps.sum(axis=1)
    return taps


@cache
def _group_matrices() -> tuple[tuple[int, NDArray[np.float64]], ...]:
    """Per group of phases: its first input sample within a block, and a matrix `(inputs, phases)`."""
    taps = integer_taps()
    groups = []
    for first in range(0, _UP, _GROUP):
        positions = np.arange(first, first + _GROUP) * _DOWN
        starts, phases = positions // _UP, positions % _UP
        matrix = np.zeros((int(starts[-1] - starts[0]) + 2 * _HALF, _GROUP))
        for column, (start, phase) in enumerate(zip(starts - starts[0], phases, strict=True)):
            matrix[start : start + 2 * _HALF, column] = taps[phase]
        groups.append((int(starts[0]), matrix))
    return tuple(groups)


def resample(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """`(samples,)` at 22.05 kHz to `(ceil(samples * 320 / 441),)` at 16 kHz, without delay."""
    count = -(-len(samples) * _UP // _DOWN)
    blocks = -(-count // _UP)
    padded = np.zeros((blocks + 1) * _DOWN + 2 * _HALF)
    padded[_HALF - 1 : _HALF - 1 + len(samples)] = samples
    sums = np.empty((blocks, _UP), dtype=np.int64)
    for group, (start, matrix) in enumerate(_group_matrices()):
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(matrix))[start::_DOWN][:blocks]
        sums[:, group * _GROUP : (group + 1) * _GROUP] = np.ascontiguousarray(windows) @ matrix
    rounded = (sums.reshape(-1)[:count] + 2 ** (_SCALE_BITS - 1)) >> _SCALE_BITS
    clipped: NDArray[np.int16] = np.clip(rounded, -(2**15), 2**15 - 1).astype(np.int16)
    return clipped
