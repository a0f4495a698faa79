from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
import yaml
from encoded import encode, without_xing

from asr.cli.main import main
from asr.config_file import to_dict

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def test_the_readme_s_folder_of_podcasts_goes_from_nothing_to_a_report(
    speech_data: Path, tiny_corpus: TinyCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real readings, some with transcripts, the others joined to long recordings as people have them: a WAV of two
    channels at 44.1 kHz, and an MP3 of variable bit rate that does not say how long it is."""
    corpus, readings = tmp_path / "data" / "tiny", speech_data / "LibriSpeech" / "dev-clean"
    speakers = sorted(path.name for path in readings.iterdir() if path.is_dir())
    for subset, chosen in (("train", speakers[:2]), ("dev", speakers[2:3])):
        for speaker in chosen:
            shutil.copytree(readings / speaker, corpus / subset / speaker)
    (corpus / "podcasts").mkdir()
    joined = [
        np.concatenate([soundfile.read(file, dtype="int16")[0] for file in sorted(readings.glob(f"{name}/*/*.flac"))])
        for name in speakers[3:5]
    ]
    (corpus / "podcasts" / "one.mp3").write_bytes(without_xing(encode(joined[0], "MP3")))
    resampled = soxr.resample(joined[1], 16_000, 44_100)
    soundfile.write(corpus / "podcasts" / "two.wav", np.stack([resampled, resampled], 1), 44_100)
    settings = to_dict(tiny_corpus.config)
    settings["corpus"] |= {"labeled": ["train"], "unlabeled": ["podcasts"], "dev": ["dev"], "labeled_hours": 0.01}
    settings["batch"] |= {"unit_seconds": 40.0}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    places = ["--data-dir", str(tmp_path / "data"), "--exp-dir", str(tmp_path / "exp")]
    assert main(["recipe", "--corpus", str(tmp_path / "my.yaml"), *places]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"note, recordings of (0:0\d:\d\d) cut at pauses into \d+ utterances of \1: 2\n", shown)
    assert "note, 2 channels, mixed down to one: 1" in shown
    assert "note, resampled from 44100 Hz: 1" in shown
    home = tmp_path / "exp" / "tiny"
    rows = [json.loads(line) for line in next(home.glob("manifests/*/unlabeled.jsonl")).read_text().splitlines()]
    cut = [row for row in rows if row["id"].startswith(("one", "two"))]
    # The encoder adds a fifteenth of a second that its decoder cannot know of.
    assert sum(row["duration"] for row in cut) == pytest.approx(sum(map(len, joined)) / 16_000, abs=0.1)
    assert max(row["duration"] for row in cut) <= 36
    assert len(rows) > len(cut), "what labeled_hours hides is trained on without its text"
    (report,) = home.glob("runs/*/report.html")
    assert "<html" in report.read_text()[:300]
