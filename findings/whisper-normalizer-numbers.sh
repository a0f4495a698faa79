#!/usr/bin/env bash
# whisper-normalizer 0.1.15 (Python 3.11), EnglishTextNormalizer: OpenAI's normaliser of English, in which many tables of
# word error rates are scored. One would expect a number to be the same whether it is spelt out or in digits, as that is
# what it is for, and a text that it made to be left alone.
#
# - Single digits are joined if they are spelt out ("nominal", as the class says), and not if they are digits: "two three"
#   becomes 23, "2 3" stays. A telephone number that was written digit by digit is wrong throughout, and one that was
#   misheard as "twenty three" is right.
# - A 1 is spelt out, as the class says, but within a number or an amount, too, and the sign beside it is lost: "one
#   dollar", "1%" and "one" are one and the same, and 3.1 is "3 one". A later change of whisper's own (#2836) mends that.
# - Given once more, "zero one" is first 01 and then "one", "minus two" -2 and then 2. So hypotheses that are normalised
#   as they are written, and again as they are scored, differ from references that are normalised once.
#
# Seen:
#   'two three' -> '23' -> '23'
#   '2 3' -> '2 3' -> '2 3'
#   'twenty three' -> '23' -> '23'
#   'one dollar' -> ' one' -> 'one'
#   '1%' -> 'one ' -> 'one'
#   '2%' -> '2%' -> '2%'
#   'three point one' -> '3 one' -> '31'
#   'zero one' -> '01' -> 'one'
#   'minus two' -> '-2' -> '2'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check whisper-normalizer==0.1.15
"$folder/env/bin/python" - <<'PYTHON'
import sys

from whisper_normalizer.english import EnglishTextNormalizer

EXPECTED = {
    "two three": ("23", "23"),
    "2 3": ("2 3", "2 3"),
    "twenty three": ("23", "23"),
    "one dollar": (" one", "one"),
    "1%": ("one ", "one"),
    "2%": ("2%", "2%"),
    "three point one": ("3 one", "31"),
    "zero one": ("01", "one"),
    "minus two": ("-2", "2"),
}
normalise = EnglishTextNormalizer()
seen = {}
for text in EXPECTED:
    once = normalise(text)
    seen[text] = once, normalise(once)
    print(f"{text!r} -> {once!r} -> {seen[text][1]!r}")
sys.exit(seen != EXPECTED)
PYTHON
