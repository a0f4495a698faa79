#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2; numpy 2.4.6, Python 3.11) reading Ogg Vorbis and Ogg Opus as int16.
#
# A lossy codec does not keep peaks: what goes in at 0.99 of full scale may well come out above 1. soundfile asks libsndfile
# to clip, and so one would expect dtype="int16" to give what floats do, cut to what the type holds. Of an MP3 it does. Of
# Vorbis and Opus the numbers wrap around instead: a peak of 1.05 becomes one of -0.95. No sample is beyond the type's range,
# nothing warns, and the level hardly tells. Speech that is merely at full scale has a few such clicks, speech that was
# limited, as broadcasts and podcasts are, hundreds in a second. libsndfile knows (#194, of 2017, is open); Python's side
# does not tell. Whoever wants integers should read floats, and clip and round them himself.
#
# Seen (10 s of a buzz in syllables at 16 kHz, limited to a peak of 0.99):
#   VORBIS: peak 1.19, 6144 samples beyond full scale, 6141 turned around as int16
#   OPUS: peak 1.22, 6080 samples beyond full scale, 6074 turned around as int16
#   MPEG_LAYER_III: peak 1.15, 5024 samples beyond full scale, 0 turned around as int16
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
import soundfile

RATE, SECONDS = 16_000, 10

time = np.arange(RATE * SECONDS) / RATE
phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * time)) / RATE
buzz = sum(np.sin(k * phase) / k for k in range(1, 30)) * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)
limited = np.clip(2 * buzz / np.abs(buzz).max(), -0.99, 0.99)


def turned(container, subtype):
    """How many samples are beyond full scale, and how many of int16 are far from the floats, cut to full scale."""
    content = io.BytesIO()
    soundfile.write(content, limited, RATE, format=container, subtype=subtype)
    floats, integers = (soundfile.read(io.BytesIO(content.getvalue()), dtype=kind)[0] for kind in ("float64", "int16"))
    beyond = int(np.count_nonzero(np.abs(floats) > 1))
    wrong = int(np.count_nonzero(np.abs(integers / 2**15 - floats.clip(-1, 1)) > 1))
    peak = np.abs(floats).max()
    print(f"{subtype}: peak {peak:.2f}, {beyond} samples beyond full scale, {wrong} turned around as int16")
    return beyond, wrong


vorbis, opus, mp3 = (turned(*kind) for kind in (("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")))
wraps = all(beyond > 1000 and wrong > 0.9 * beyond for beyond, wrong in (vorbis, opus))
sys.exit(0 if wraps and mp3[0] > 1000 and mp3[1] == 0 else 1)
PYTHON
