#!/bin/sh
# soundfile 0.13.1 (libsndfile 1.2.2): an array of int16 that is written as floating point is not scaled.
#
# soundfile.write("a.wav", x, rate, subtype="FLOAT") of an int16 array stores 12345.0 for 12345, where full scale is 1; a float array
# of the same audio stores 0.377. Written as PCM_16 or FLAC, both arrays give the same file. One would expect the same of any
# subtype, as the array's type says what its full scale is. Most readers clip such a file to a square wave, and none of them says
# so: 12345.0 is valid. soundfile itself reads it back as int16 without scaling, too, so that a round trip hides it.
#
# Output seen on 2026-11-30:
#   int16 as FLOAT: peak 12345.0; float as FLOAT: peak 0.377; read back as int16: 12345
#   int16 as PCM_16: peak 0.377
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --target "$folder" soundfile==0.13.1 numpy 2>/dev/null
export PYTHONPATH="$folder" FOLDER="$folder"

python3 - <<'PYTHON'
import os

import numpy as np
import soundfile

path = os.path.join(os.environ["FOLDER"], "a.wav")
samples = np.array([0, 12345, -12345, 7], dtype=np.int16)


def peak(array, subtype):
    soundfile.write(path, array, 16_000, subtype=subtype)
    return float(np.abs(soundfile.read(path)[0]).max())


of_floats = peak(samples / 32768, "FLOAT")
of_integers = peak(samples, "FLOAT")
again = soundfile.read(path, dtype="int16")[0]
plain = peak(samples, "PCM_16")
print(f"int16 as FLOAT: peak {of_integers:.1f}; float as FLOAT: peak {of_floats:.3f}; read back as int16: {again.max()}")
print(f"int16 as PCM_16: peak {plain:.3f}")
assert (of_integers, int(again.max())) == (12345.0, 12345), "it has changed: see the header"
assert abs(of_floats - 0.37674) < 1e-4
assert abs(plain - 0.37674) < 1e-4
PYTHON
