#!/usr/bin/env bash
# jiwer 4.0.0 (Python 3.11): only the space parts words. A tab, a line break, a no-break or an ideographic space is a part
# of the word that it stands in, unless there is white space beside it.
#
# One would expect words to be what str.split() gives, as in werpy 3.5.0. The default transform splits at a delimiter
# that is " "; before that, its RemoveMultipleSpaces makes one space of two or more of any white space, and leaves one
# alone. So two words on either side of a caption's line break, or of a tab, are one word that nobody says, and a second
# line break mends it. The three texts below have the same three words.
#
# Seen (word error rate against 'good morning everyone'):
#   'good morning\neveryone': jiwer 1.00, werpy 0.00
#   'good morning\n\neveryone': jiwer 0.00, werpy 0.00
#   'good\tmorning\teveryone': jiwer 3.00, werpy 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check jiwer==4.0.0 werpy==3.5.0
"$folder/env/bin/python" - <<'PYTHON'
import sys

import jiwer
import werpy

WORDS = "good morning everyone"
seen = []
for text in ("good morning\neveryone", "good morning\n\neveryone", "good\tmorning\teveryone"):
    assert text.split() == WORDS.split()
    rates = jiwer.wer(text, WORDS), float(werpy.wer(text, WORDS))
    print(f"{text!r}: jiwer {rates[0]:.2f}, werpy {rates[1]:.2f}")
    seen.append(rates)
sys.exit(seen != [(1.0, 0.0), (0.0, 0.0), (3.0, 0.0)])
PYTHON
