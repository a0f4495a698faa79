#!/usr/bin/env bash
# safetensors 0.8.0 (numpy 2.4.6, Python 3.11): a file with two or more entries of metadata is not the same file twice.
#
# The same tensors and the same metadata, saved by one process after another, give files of different bytes: the entries'
# order in the header changes from process to process, and within one. Tensors are always in the same order. Whoever
# compares files by digest, or caches by it, must keep metadata to one entry, such as one JSON text.
#
# Seen: of 20 files with four entries more than one digest; of 20 files with one entry exactly one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6

cat >"$folder/save.py" <<'PYTHON'
import hashlib
import sys

import numpy
from safetensors.numpy import save_file

entries = int(sys.argv[1])
save_file({"a": numpy.zeros(3), "b": numpy.ones(2)}, sys.argv[2], {f"key{i}": "value" for i in range(entries)})
print(hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest())
PYTHON

digests() {
  for _ in $(seq 20); do
    "$folder/env/bin/python" "$folder/save.py" "$1" "$folder/out.safetensors"
  done | sort -u | wc -l
}

one=$(digests 1)
four=$(digests 4)
echo "distinct files of 20: with one entry of metadata $one, with four $four"
[[ $one -eq 1 && $four -gt 1 ]]
