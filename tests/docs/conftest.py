from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pages import ROOT
from small_model import make_run, noise

from asr.cli.main import main
from asr.data.manifest import Utterance, write_manifest

OWN = """extends: conf/librispeech.yaml
name: my-speech
corpus: {source: local, labeled: [train], unlabeled: [podcasts], dev: [dev]}
"""


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has whatever the documentation's commands name, with a model of random weights as RUN."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("conf", "recipes"):
        (folder / name).symlink_to(ROOT / name)
    make_run(folder / "RUN", steps=3)
    (folder / "my.yaml").write_text(OWN)
    spoken = noise(3.0)
    soundfile.write(folder / "talk.flac", spoken, 16_000)
    soundfile.write(folder / "talk.mp3", spoken, 16_000)
    (folder / "calls").mkdir()
    soundfile.write(folder / "calls" / "monday.wav", np.stack([spoken, noise(3.0, 1)], 1), 16_000)
    row = {"audio_filepath": "talk.flac", "duration": 3.0, "text": "HELLO ALL"}
    (folder / "train.json").write_text(json.dumps(row) + "\n")
    write_manifest(folder / "unlabeled.jsonl", [Utterance("u1", str(folder / "talk.flac"), 3.0, speaker="s")])
    (folder / "text.txt").write_text("SHE SELLS SEA SHELLS\nBY THE SEA SHORE\nTHE SHELLS SHE SELLS\n")
    for name, text in (("ref", "SHE SELLS SEA SHELLS"), ("hyp", "SHE SELLS SHELLS"), ("other", "SEA SHELLS")):
        (folder / f"{name}.trans.txt").write_text("".join(f"{s}-1-0 {text}\n" for s in range(1, 25)))
    arguments = [str(folder / "text.txt"), "--tokens", str(folder / "RUN" / "tokens"), "--order", "2"]
    assert main(["lm", *arguments, "--out", str(folder / "my.arpa")]) == 0
    return folder
