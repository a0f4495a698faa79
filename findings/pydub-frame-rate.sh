#!/usr/bin/env bash
# pydub 0.25.1 (Python 3.11), AudioSegment.set_frame_rate to a lower rate: nothing is filtered.
#
# One would expect what resamplers do: to take out what the lower rate cannot hold, as soxr 1.1.0 does. pydub draws straight
# lines between samples, and from 48 to 16 kHz takes every third one as it is: what is above 8 kHz, where a good part of a
# sibilant lies, is mirrored into the band below, none of it any quieter. The documentation warns of a loss of quality, of high
# frequencies that cannot be there any longer, and not that they come back as low ones; rate and duration are right. Corpora
# are brought to 16 kHz with `.set_frame_rate(16000).set_channels(1)`, and a model that was trained on others hears another
# sound. `export(..., parameters=["-ar", "16000"])` leaves it to ffmpeg, and its filter.
#
# Seen (a tone at 48 kHz, and what is there at 16 kHz, its level against the tone's):
#   1000 Hz: pydub 1000 Hz at -0.0 dB, soxr 1000 Hz at -0.0 dB
#   9000 Hz: pydub 7000 Hz at -0.0 dB, soxr nothing above -90 dB
#   12000 Hz: pydub 4000 Hz at -0.0 dB, soxr nothing above -90 dB
#   15000 Hz: pydub 1000 Hz at -0.0 dB, soxr nothing above -90 dB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pydub==0.25.1 soxr==1.1.0 numpy==2.4.6
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import soxr
from pydub import AudioSegment

HIGH, LOW, AMPLITUDE = 48_000, 16_000, 16_000


def by_pydub(samples):
    whole = AudioSegment(samples.tobytes(), frame_rate=HIGH, sample_width=2, channels=1)
    return np.array(whole.set_frame_rate(LOW).get_array_of_samples(), np.float64)


def by_soxr(samples):
    return soxr.resample(samples.astype(np.float64), HIGH, LOW)


def strongest(samples):
    """The frequency that is strongest, and its level in dB; None where that is below -90."""
    middle = samples[LOW // 2 : 3 * LOW // 2]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window)) * 2 / window.sum() / AMPLITUDE
    level = 20 * np.log10(spectrum.max() + 1e-12)
    return (int(spectrum.argmax()), round(float(level), 1)) if level > -90 else None


def told(found):
    return f"{found[0]} Hz at {found[1]:.1f} dB" if found else "nothing above -90 dB"


seen = {}
for tone in (1000, 9000, 12_000, 15_000):
    wave = np.rint(AMPLITUDE * np.sin(2 * np.pi * tone * np.arange(2 * HIGH) / HIGH + 0.1)).astype(np.int16)
    seen[tone] = strongest(by_pydub(wave)), strongest(by_soxr(wave))
    print(f"{tone} Hz: pydub {told(seen[tone][0])}, soxr {told(seen[tone][1])}")
mirrored = all(abs(seen[tone][0][1]) < 0.2 and seen[tone][0][0] == LOW - tone for tone in (9000, 12_000, 15_000))
filtered = all(seen[tone][1] is None for tone in (9000, 12_000, 15_000))
sys.exit(0 if mirrored and filtered and seen[1000][0][0] == seen[1000][1][0] == 1000 else 1)
PYTHON
