#!/usr/bin/env bash
# flashlight-text 0.0.7 (CPython 3.11), LexiconDecoder with CriterionType.CTC.
#
# The last token of a word cannot last for two frames. CTC writes the word "1 2 3" by the path 1 2 3 3 as by 1 1 2 3; with
# all of a frame's probability on the path's token (0, all others -10) both should score 0. The decoder scores the first
# one -10: with the word's last token it goes back to the tree's root, and from there only silence may follow, or a blank.
# Any other repeat is free. Where silence ends each word (letters with a boundary) nothing is lost; with word pieces or
# phones every word whose last peak is wider than a frame is, and its score falls by how unlikely a blank is there.
#
# Output seen:
#   path 1 1 2 2 3: score 0, words [0]
#   path 1 2 3 3: score -10, words [0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --target "$folder" flashlight-text==0.0.7 numpy==2.2.6
PYTHONPATH="$folder" "${PYTHON:-python3}" - <<'PYTHON_CODE'
import math
import sys

import numpy as np
from flashlight.lib.text import decoder
from flashlight.lib.text.decoder import ZeroLM

SILENCE = 4  # a token that never occurs


def best(path):
    tree = decoder.Trie(5, SILENCE)
    tree.insert([1, 2, 3], 0, 0.0)
    tree.smear(decoder.SmearingMode.MAX)
    options = decoder.LexiconDecoderOptions(
        beam_size=500, beam_size_token=5, beam_threshold=1000, lm_weight=0, word_score=0, unk_score=-math.inf,
        sil_score=0, log_add=False, criterion_type=decoder.CriterionType.CTC,
    )
    model = ZeroLM()
    search = decoder.LexiconDecoder(options, tree, model, SILENCE, 0, 99, [], False)
    emissions = np.full((len(path), 5), -10.0, np.float32)
    emissions[:, SILENCE] = -1e4
    emissions[np.arange(len(path)), path] = 0
    found = search.decode(emissions.ctypes.data, *emissions.shape)[0]
    words = [word for word in found.words if word >= 0]
    print(f"path {' '.join(map(str, path))}: score {found.score:.0f}, words {words}")
    return round(found.score), words


seen = [best([1, 1, 2, 2, 3]), best([1, 2, 3, 3])]
sys.exit(seen != [(0, [0]), (-10, [0])])
PYTHON_CODE
