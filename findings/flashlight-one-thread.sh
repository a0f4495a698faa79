#!/usr/bin/env bash
# flashlight-text 0.0.7 (CPython 3.11), LexiconFreeDecoder.decode.
#
# A search holds the interpreter's lock from its beginning to its end, although it is C++ that touches no Python object: while
# one thread searches, no other runs, and searches of several utterances in threads take as long as one after the other.
# Only processes use more than one core. Here a second thread counts meanwhile, and asks for its turn every millisecond.
#
# Output seen (the share of the search in which the other thread got no turn):
#   1.00 of the search in one piece
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --target "$folder" flashlight-text==0.0.7 numpy==2.2.6
PYTHONPATH="$folder" "${PYTHON:-python3}" - <<'PYTHON_CODE'
import sys
import threading
import time

import numpy as np
from flashlight.lib.text import decoder
from flashlight.lib.text.decoder import ZeroLM

sys.setswitchinterval(0.001)
TOKENS, FRAMES = 40, 400
options = decoder.LexiconFreeDecoderOptions(
    beam_size=500, beam_size_token=TOKENS, beam_threshold=1000, lm_weight=0, sil_score=0, log_add=False,
    criterion_type=decoder.CriterionType.CTC,
)
model = ZeroLM()
search = decoder.LexiconFreeDecoder(options, model, TOKENS - 1, 0, [])
emissions = np.random.default_rng(1).normal(size=(FRAMES, TOKENS)).astype(np.float32)
took = []


def run():
    begun = time.perf_counter()
    search.decode(emissions.ctypes.data, *emissions.shape)
    took.append(time.perf_counter() - begun)


thread = threading.Thread(target=run)
longest, before = 0.0, time.perf_counter()
thread.start()
while thread.is_alive():
    now = time.perf_counter()
    longest, before = max(longest, now - before), now
share = min(1.0, max(longest, time.perf_counter() - before) / took[0])
print(f"{share:.2f} of the search in one piece")
sys.exit(took[0] < 0.1 or share < 0.8)
PYTHON_CODE
