#!/usr/bin/env bash
# soxr 1.1.0 (python-soxr, libsoxr; numpy 2.4.6, Python 3.11) on arrays of int16.
#
# The documentation says of the four types of array that the output has the type of the input, and no more. One would
# expect int16 to give what float32 gives, rounded. It is dithered, and there is no argument that turns that off:
# - silence comes out as noise of 1 in a quarter of the samples, also where both rates are the same, which with float32
#   gives the input back;
# - the noise depends on where calls end, so that a recording which a ResampleStream is given in two pieces is another
#   from the second on than the same one in a single piece. Floats are equal to the last bit.
# Whoever looks for exact zeros, compares by digest, or resamples in blocks, should resample floats and round them himself.
#
# Seen:
#   silence, 48 to 16 kHz: 3733 of 16000 samples are not 0; of float32 0
#   noise, 16 to 16 kHz: 3989 of 16000 samples are not the input's; of float32 0
#   noise, 48 to 16 kHz: 4371 of 16000 samples are others in two pieces than in one; of float32 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check soxr==1.1.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy as np
import soxr

noise = np.random.default_rng(0).integers(-9000, 9000, 48_000).astype(np.int16)


def both(count):
    return count(np.int16), count(np.float32)


def in_pieces(samples):
    stream = soxr.ResampleStream(48_000, 16_000, 1, dtype=samples.dtype.name)
    return np.concatenate([stream.resample_chunk(samples[:20_000]), stream.resample_chunk(samples[20_000:], last=True)])


def of_silence(kind):
    return np.count_nonzero(soxr.resample(np.zeros(48_000, kind), 48_000, 16_000))


def of_same_rate(kind):
    samples = noise[:16_000].astype(kind)
    return np.count_nonzero(soxr.resample(samples, 16_000, 16_000) != samples)


def of_pieces(kind):
    samples = noise.astype(kind)
    return np.count_nonzero(soxr.resample(samples, 48_000, 16_000) != in_pieces(samples))


silence, same, pieces = both(of_silence), both(of_same_rate), both(of_pieces)
print(f"silence, 48 to 16 kHz: {silence[0]} of 16000 samples are not 0; of float32 {silence[1]}")
print(f"noise, 16 to 16 kHz: {same[0]} of 16000 samples are not the input's; of float32 {same[1]}")
print(f"noise, 48 to 16 kHz: {pieces[0]} of 16000 samples are others in two pieces than in one; of float32 {pieces[1]}")
sys.exit(any(floats != 0 or not 3000 < integers < 6000 for integers, floats in (silence, same, pieces)))
PYTHON
