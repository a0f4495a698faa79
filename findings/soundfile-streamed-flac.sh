#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) on a FLAC whose header does not know its length, as encoders leave it that write to
# a pipe (`ffmpeg -f flac -`). RFC 9639, section 8.2: a total of 0 samples means that their number is unknown.
#
# One would expect `soundfile.read` to read to the end. It raises, since libsndfile takes the length for 2^63 - 1; so does
# reading a block that reaches the end, after which soundfile seeks. A SoundFile that says of itself that it cannot seek
# reads all of the same file.
#
# Seen: frames 9223372036854775807; read() ValueError; read(64000) LibsndfileError; without seeking 32000.
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

content = io.BytesIO()
soundfile.write(content, np.random.default_rng(0).standard_normal(32_000) * 0.1, 16_000, format="FLAC")
flac = bytearray(content.getvalue())
# The 36 bits of the total in STREAMINFO.
flac[21] &= 0xF0
flac[22:26] = bytes(4)


class Forward(soundfile.SoundFile):
    def seekable(self):
        return False


def attempt(kind, count):
    with kind(io.BytesIO(flac)) as file:
        frames = file.frames
        try:
            return frames, len(file.read(count))
        except Exception as error:
            return frames, type(error).__name__


whole = attempt(soundfile.SoundFile, -1)
block = attempt(soundfile.SoundFile, 64_000)
forward = attempt(Forward, 64_000)
print(f"frames {whole[0]}; read() {whole[1]}; read(64000) {block[1]}; without seeking {forward[1]}")
raised = isinstance(whole[1], str) and isinstance(block[1], str)
sys.exit(0 if whole[0] == 2**63 - 1 and raised and forward[1] == 32_000 else 1)
PYTHON
