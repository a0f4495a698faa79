#!/usr/bin/env bash
# Lhotse 1.33.0 (Python 3.11): `export_to_kaldi` of utterances some of which have no text, or no speaker.
#
# A supervision of audio that nobody has transcribed has `text=None`, and one whose speaker is not known `speaker=None`. One
# would expect the first not to be in Kaldi's `text`, or to have nothing behind its id there, and the second to be a speaker of
# its own. Both are written as the word "None":
# - in `text`, where it is the transcript of all audio without one, and nothing tells it from a word that was said;
# - in `utt2spk`, where all such utterances are one speaker.
# Lhotse's own `load_kaldi_data_dir` reads them back as a text and a speaker. A model that is trained on such a folder learns
# to write "None"; what counts speakers, as a split or a bootstrap does, finds one.
#
# Seen:
#   text: known HELLO | silent | unknown None
#   utt2spk: known None | silent None | unknown None
#   read back: 'HELLO' by 'None', 'None' by 'None', '' by 'None'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check lhotse==1.33.0 soundfile==0.14.0 urllib3 requests
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import soundfile
from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet
from lhotse.kaldi import export_to_kaldi, load_kaldi_data_dir

soundfile.write("talk.wav", np.zeros(3 * 16_000), 16_000)
texts = {"known": "HELLO", "unknown": None, "silent": ""}
said = [
    SupervisionSegment(id=name, recording_id="talk", start=float(second), duration=1.0, text=text)
    for second, (name, text) in enumerate(texts.items())
]
recordings = RecordingSet.from_recordings([Recording.from_file("talk.wav")])
export_to_kaldi(recordings, SupervisionSet.from_segments(said), "kaldi")
for name in ("text", "utt2spk"):
    print(f"{name}: {' | '.join(line.strip() for line in Path('kaldi', name).read_text().splitlines())}")
again = {s.id: (s.text, s.speaker) for s in load_kaldi_data_dir("kaldi", 16_000)[1]}
print("read back:", ", ".join("{!r} by {!r}".format(*again[name]) for name in texts))
sys.exit(again != {name: (str(text), "None") for name, text in texts.items()})
PYTHON
