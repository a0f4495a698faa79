#!/usr/bin/env bash
# pysubs2 1.8.1 on captions whose text has a line of digits, or characters that WebVTT escapes.
#
# One would expect that text comes out as it went in, and that `&amp;` in WebVTT, which its specification has for `&`, is
# read as `&`. But a last line of digits below another line is taken for the next caption's number and lost without a word,
# in SubRip and in WebVTT, even from the last caption of a file; and escapes stay as they are (webvtt-py 0.6.0 leaves them
# too). The package srt 3.5.3 reads the digits.
#
# Seen: srt 'BORN IN\n1984', pysubs2 'BORN IN', of WebVTT 'R&amp;D IN'; webvtt-py 'R&amp;D IN\n1984'.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pysubs2==1.8.1 srt==3.5.3 webvtt-py==0.6.0
"$folder/env/bin/python" - <<'PYTHON'
import sys

import pysubs2
import srt
import webvtt

SUBRIP = "1\n00:00:01,000 --> 00:00:02,000\nBORN IN\n1984\n"
WEB = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nR&amp;D IN\n1984\n"

right = next(srt.parse(SUBRIP)).content
lost = pysubs2.SSAFile.from_string(SUBRIP, "srt")[0].text
web = pysubs2.SSAFile.from_string(WEB, "vtt")[0].text
other = webvtt.from_string(WEB)[0].text
print(f"srt {right!r}, pysubs2 {lost!r}, of WebVTT {web!r}; webvtt-py {other!r}")
seen = right == "BORN IN\n1984" and lost == "BORN IN" and web == "R&amp;D IN" and other == "R&amp;D IN\n1984"
sys.exit(0 if seen else 1)
PYTHON
