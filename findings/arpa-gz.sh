#!/usr/bin/env bash
# Packages that bring KenLM do not read the same files. Seen 2026-11-30, Python 3.11, Linux x86-64:
# flashlight-text 0.0.7 reads an ARPA file compressed by gzip (the wheel was built with zlib), and none compressed by xz;
# ufal-kenlm 26.4.1 (`import kenlm`) reads neither, and says
#   "This looks like a gzip file but gzip support was not compiled in."
# KenLM itself reads .gz and .xz where it is built with their libraries. So a model that is shipped as .arpa.gz works in the
# decoder and fails in the scorer beside it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check flashlight-text==0.0.7 ufal-kenlm==26.4.1 numpy
"$folder/env/bin/python" - "$folder" <<'PYTHON' 2>"$folder/stderr" || { cat "$folder/stderr"; exit 1; }
import gzip
import lzma
import sys
from pathlib import Path

import kenlm
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

folder = Path(sys.argv[1])
arpa = (
    "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.3\n-1\t</s>\n-1\tA\t-0.3\n\n"
    "\\2-grams:\n-0.1\t<s> A\n-0.1\tA </s>\n\n\\end\\\n"
).encode()
(folder / "lm.arpa").write_bytes(arpa)
(folder / "lm.arpa.gz").write_bytes(gzip.compress(arpa))
(folder / "lm.arpa.xz").write_bytes(lzma.compress(arpa))


def reads(load, name):
    try:
        load(str(folder / name))
    except (OSError, RuntimeError):
        return False
    return True


loaders = {"flashlight-text": lambda path: KenLM(path, Dictionary(["A", "<unk>"])), "ufal-kenlm": kenlm.Model}
for package, load in loaders.items():
    found = [name for name in ("lm.arpa", "lm.arpa.gz", "lm.arpa.xz") if reads(load, name)]
    print(f"{package} reads {', '.join(found)}")
    expected = ["lm.arpa", "lm.arpa.gz"] if package == "flashlight-text" else ["lm.arpa"]
    assert found == expected, f"{package}: expected {expected}"
PYTHON
