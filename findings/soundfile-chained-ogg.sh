#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) on a chained Ogg: streams one after the other, as `cat a.ogg b.ogg` and internet
# radio make them. RFC 3533, section 4, calls that a valid physical stream.
#
# One would expect `soundfile.read` to return both, or to say that it does not. It returns the first alone, Vorbis and
# Opus alike, and `SoundFile.frames` knows of no more.
#
# Seen: 4.00 s and 3.00 s joined are 4.00 s.
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


def ogg(seconds, subtype):
    content = io.BytesIO()
    samples = np.random.default_rng(0).standard_normal(seconds * 16_000) * 0.1
    soundfile.write(content, samples, 16_000, format="OGG", subtype=subtype)
    return content.getvalue()


found = {}
for subtype in ("VORBIS", "OPUS"):
    chained = ogg(4, subtype) + ogg(3, subtype)
    found[subtype] = len(soundfile.read(io.BytesIO(chained))[0]) / 16_000
    print(f"{subtype}: 4 s and 3 s joined, {found[subtype]:.2f} s read")
sys.exit(0 if set(found.values()) == {4.0} else 1)
PYTHON
