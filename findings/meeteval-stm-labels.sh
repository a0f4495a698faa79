#!/usr/bin/env bash
# meeteval 0.4.3 (Python 3.11; built by pip, needs a C++ compiler) on references in NIST's STM.
#
# SCTK's description of the format, and sclite, know three things in a line's text that nobody says: a label in angle
# brackets before the words, IGNORE_TIME_SEGMENT_IN_SCORING for stretches where nothing is to be counted, and alternatives
# in braces. One would expect a reader of STM to know them, too, or to refuse them. meeteval reads file, speaker and times
# and takes all the rest for words: a perfect hypothesis has errors, and the reference grows. Nothing is said of it. Of
# the same three sclite 2.4.10 counts no error. TED-LIUM's references, for one, have labels and ignored stretches.
#
# Seen (errors of a perfect hypothesis, of so many words):
#   plain                0 of 2
#   with a label         1 of 3
#   with a part ignored  1 of 3
#   with alternatives    4 of 7
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check meeteval==0.4.3 numpy==2.4.6 scipy==1.17.1
"$folder/env/bin/python" - <<'PYTHON'
import sys

from meeteval.io import STM
from meeteval.wer import cpwer

CASES = {
    "plain": ("t 1 A 0 5 hello world\n", "t 1 A 0 5 hello world\n"),
    "with a label": ("t 1 A 0 5 <o,f0,female> hello world\n", "t 1 A 0 5 hello world\n"),
    "with a part ignored": (
        "t 1 A 0 5 hello world\nt 1 A 5 9 IGNORE_TIME_SEGMENT_IN_SCORING\n",
        "t 1 A 0 5 hello world\nt 1 A 6 7 jingle\n",
    ),
    "with alternatives": ("t 1 A 0 5 hello { color / colour } world\n", "t 1 A 0 5 hello colour world\n"),
}
seen = []
for name, (reference, hypothesis) in CASES.items():
    found = cpwer(STM.parse(reference), STM.parse(hypothesis))["t"]
    print(f"{name:<20} {found.errors} of {found.length}")
    seen.append((found.errors, found.length))
sys.exit(seen != [(0, 2), (1, 3), (1, 3), (4, 7)])
PYTHON
