#!/usr/bin/env bash
# sentencepiece 0.2.3 (Python 3.11): by default it parts words at a zero-width non-joiner.
#
# Persian has U+200C within a good part of its words, and Kurdish and several scripts of India use it; to Unicode and to
# Python it is no white space. One would expect a normalisation named after NFKC to leave it, as NFKC does, or at most to drop
# it. The default rule, nmt_nfkc, makes a space of it (and leaves the zero-width joiner): one word becomes two, and no model
# trained on such pieces ever writes it again. Decoded from its own pieces, a reference has errors against itself; each such
# word costs two of them, a substitution and an insertion. No piece is unknown, and nothing warns. Of the rule the documentation
# says that it deals with spaces, too; an issue about this one (google/sentencepiece #896, of 2023) is closed. The rules nfkc
# and identity leave it, where they are asked for in training.
#
# Seen (a sentence of 10 words, 4 of them with U+200C, encoded and decoded; jiwer 4.0.0's word error rate against itself):
#   nmt_nfkc: 14 words, WER 0.80
#   nfkc: 10 words, WER 0.00
#   identity: 10 words, WER 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check sentencepiece==0.2.3 jiwer==4.0.0
"$folder/env/bin/python" - <<'PYTHON'
import io
import sys

import jiwer
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

# "I want to go home." "They say that they do not know." Four of the words are written with U+200C.
TEXT = "می\u200cخواهم به خانه بروم آن\u200cها می\u200cگویند که این را نمی\u200cدانند"
assert len(TEXT.split()) == 10


def back(rule):
    """The text from its own pieces, by a model that was trained on it."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT] * 20),
        model_writer=model,
        normalization_rule_name=rule,
        vocab_size=40,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    pieces = SentencePieceProcessor(model_proto=model.getvalue())
    ids = pieces.encode(TEXT)
    assert pieces.unk_id() not in ids
    return pieces.decode(ids)


seen = {}
for rule in ("nmt_nfkc", "nfkc", "identity"):
    text = back(rule)
    seen[rule] = len(text.split()), round(jiwer.wer(TEXT, text), 2)
    print(f"{rule}: {seen[rule][0]} words, WER {seen[rule][1]:.2f}")
sys.exit(seen != {"nmt_nfkc": (14, 0.8), "nfkc": (10, 0.0), "identity": (10, 0.0)})
PYTHON
