#!/usr/bin/env bash
# torchmetrics 1.9.0 (torch 2.14.1, Python 3.11), torchmetrics.text.WordErrorRate with fewer hypotheses than references.
#
# One would expect an error, as jiwer 4.0.0 gives one. It pairs what there is and leaves the rest out:
# two references of two words, the first one's hypothesis alone, is 0 % and no word is said. So a decoder that lost its
# last batch scores better. The other way round likewise.
#
# Seen: torchmetrics 0.0 and 0.0; jiwer ValueError and ValueError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONPATH="$folder"
python3 -c 'import torch' 2>/dev/null || python3 -m pip install --quiet --target "$folder" torch==2.14.1 numpy
python3 -m pip install --quiet --no-deps --target "$folder" \
    torchmetrics==1.9.0 lightning-utilities==0.15.3 packaging typing-extensions 2>/dev/null
python3 -m pip install --quiet --target "$folder" jiwer==4.0.0 2>/dev/null
python3 - <<'PYTHON'
import sys

import jiwer
from torchmetrics.text import WordErrorRate


def attempt(name, rate, hypotheses, references):
    try:
        found = rate(hypotheses, references)
    except ValueError as error:
        found = type(error).__name__
    print(f"{name}: {len(references)} references, {len(hypotheses)} hypotheses: {found}")
    return found


def by_torchmetrics(hypotheses, references):
    return round(WordErrorRate()(hypotheses, references).item(), 3)


pairs = [(["a b"], ["a b", "c d"]), (["a b", "c d"], ["a b"])]
seen = [attempt("torchmetrics", by_torchmetrics, *pair) for pair in pairs]
seen += [attempt("jiwer", lambda one, other: jiwer.wer(other, one), *pair) for pair in pairs]
sys.exit(seen != [0.0, 0.0, "ValueError", "ValueError"])
PYTHON
