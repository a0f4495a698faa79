#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) on an MP3 of variable bit rate that has no Xing frame, as encoders leave it that
# write to a pipe (`lame -t`, `ffmpeg -f mp3 -`). Such a file is a valid MP3: nothing in the format says how long it is.
#
# One would expect `soundfile.read` to return all of it. It returns as much as the first frames lead it to guess: of 10 s
# of loud and 10 s of quiet noise less than 5 s, without an error or a warning. `SoundFile.frames` is the same guess, and
# reading in blocks ends there too.
#
# Seen: with the Xing frame 20.00 s, without it 4.66 s read.
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

rate, half = 16_000, 160_000
noise = np.random.default_rng(0).standard_normal(2 * half) * np.repeat([0.2, 1e-4], half)
content = io.BytesIO()
with soundfile.SoundFile(content, "w", rate, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.7) as file:
    file.write(noise)
mp3 = content.getvalue()
place = mp3.index(b"Xing")
second = next(i for i in range(place, len(mp3)) if mp3[i : i + 2] == mp3[:2])


def seconds(data):
    samples, found = soundfile.read(io.BytesIO(data))
    return len(samples) / found


whole, bare = seconds(mp3), seconds(mp3[second:])
print(f"with the Xing frame {whole:.2f} s, without it {bare:.2f} s read")
sys.exit(0 if whole == 20.0 and bare < 5 else 1)
PYTHON
