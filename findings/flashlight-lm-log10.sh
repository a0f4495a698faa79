#!/usr/bin/env bash
# flashlight-text 0.0.7 (CPython 3.11) with a KenLM model: lm_weight is not what it is elsewhere, by a factor of 2.3.
#
# KenLM's logarithms are to base 10, the acoustic scores' natural. The decoder adds lm_weight times the one to the other
# as they are, so that a weight of 1 is a weight of 0.43. One would expect a weight of 1 to multiply the probabilities, and
# that pyctcdecode 0.5.0's alpha, which does, may be taken over. The description has "language model weight" and no more;
# an issue of 2021 (flashlight/flashlight #745) asks, and is open. A weight tuned with one of the two is wrong in the other.
#
# Here the model takes A to be ten times as likely as B. So with a weight of 1, B should win where the frame is sure of it
# by more than 10 / 11 = 0.909; in flashlight-text it does from e / (1 + e) = 0.731 on.
#
# Seen (the word with a weight of 1, and with one of ln 10, where the frame gives B 0.70, 0.75, 0.90, 0.95):
#   flashlight-text, 1: A B B B
#   flashlight-text, ln 10: A A A B
#   pyctcdecode, 1: A A A B
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    flashlight-text==0.0.7 ufal-kenlm==26.4.1 numpy==2.4.6 pygtrie==2.6.2
# It asks for an older numpy, and for hypothesis, which it does not use here.
"$folder/env/bin/pip" install --quiet --disable-pip-version-check --no-deps pyctcdecode==0.5.0
"$folder/env/bin/python" - "$folder" <<'PYTHON' 2>"$folder/stderr" || { cat "$folder/stderr"; exit 1; }
import math
import sys
from pathlib import Path

import numpy as np
from flashlight.lib.text import decoder
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from pyctcdecode import build_ctcdecoder

arpa = str(Path(sys.argv[1], "lm.arpa"))
Path(arpa).write_text(
    "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t0\n-1\t</s>\n-0.1\tA\t0\n-1.1\tB\t0\n\n"
    "\\2-grams:\n-0.1\t<s> A\n\n\\end\\\n"
)
A, B, BLANK, SPACE = range(4)
SURE = (0.70, 0.75, 0.90, 0.95)


def emissions(sure):
    """A frame of A or B, and one of a space."""
    frames = np.full((2, 4), 1e-6, np.float32)
    frames[0, [A, B]] = 1 - sure, sure
    frames[1, SPACE] = 1
    return np.log(frames / frames.sum(1, keepdims=True))


def by_flashlight(weight):
    words = Dictionary(["A", "B", "<unk>"])
    model = KenLM(arpa, words)
    tree = decoder.Trie(4, SPACE)
    for word in (A, B):
        tree.insert([word], word, model.score(model.start(False), word)[1])
    tree.smear(decoder.SmearingMode.MAX)
    options = decoder.LexiconDecoderOptions(
        beam_size=50, beam_size_token=4, beam_threshold=1000, lm_weight=weight, word_score=0, unk_score=-math.inf,
        sil_score=0, log_add=False, criterion_type=decoder.CriterionType.CTC,
    )
    search = decoder.LexiconDecoder(options, tree, model, SPACE, BLANK, 2, [], False)

    def decode(frames):
        found = search.decode(frames.ctypes.data, *frames.shape)[0]
        return " ".join("AB"[word] for word in found.words if word >= 0)

    return decode


def by_pyctcdecode(weight):
    search = build_ctcdecoder(["A", "B", "", " "], arpa, alpha=weight, beta=0)
    return lambda frames: search.decode(frames, token_min_logp=-100, beam_prune_logp=-100)


seen = []
for name, decode in {
    "flashlight-text, 1": by_flashlight(1),
    "flashlight-text, ln 10": by_flashlight(math.log(10)),
    "pyctcdecode, 1": by_pyctcdecode(1),
}.items():
    seen.append([decode(emissions(sure)) for sure in SURE])
    print(f"{name}: {' '.join(seen[-1])}")
assert seen == [["A", "B", "B", "B"], ["A", "A", "A", "B"], ["A", "A", "A", "B"]], "it has changed: see the header"
PYTHON
