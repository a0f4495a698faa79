from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import yaml

from asr.cli.main import main
from asr.config_file import to_dict

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def test_the_readme_s_folder_of_podcasts_goes_from_nothing_to_a_report(
    speech_data: Path, tiny_corpus: TinyCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real readings, some with transcripts, the others joined to two long recordings as people have them."""
    corpus, readings = tmp_path / "data" / "tiny", speech_data / "LibriSpeech" / "dev-clean"
    speakers = sorted(path.name for path in readings.iterdir() if path.is_dir())
    for subset, chosen in (("train", speakers[:2]), ("dev", speakers[2:3])):
        for speaker in chosen:
            shutil.copytree(readings / speaker, corpus / subset / speaker)
    (corpus / "podcasts").mkdir()
    seconds = 0.0
    for number, speaker in enumerate(speakers[3:5]):
        files = sorted(readings.glob(f"{speaker}/*/*.flac"))
        samples = np.concatenate([soundfile.read(file, dtype="int16")[0] for file in files])
        seconds += len(samples) / 16_000
        if number:
            soundfile.write(corpus / "podcasts" / "one.wav", np.stack([samples, samples], 1), 16_000)
        else:
            soundfile.write(corpus / "podcasts" / "two.mp3", samples, 16_000)
    settings = to_dict(tiny_corpus.config)
    settings["corpus"] |= {"labeled": ["train"], "unlabeled": ["podcasts"], "dev": ["dev"]}
    settings["batch"] |= {"unit_seconds": 40.0}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    places = ["--data-dir", str(tmp_path / "data"), "--exp-dir", str(tmp_path / "exp")]
    assert main(["recipe", "--corpus", str(tmp_path / "my.yaml"), *places]) == 0
    shown = capsys.readouterr().out
    assert "note, recordings of 0:0" in shown
    assert "note, 2 channels, mixed down to one: 1" in shown
    home = tmp_path / "exp" / "tiny"
    rows = [json.loads(line) for line in next(home.glob("manifests/*/unlabeled.jsonl")).read_text().splitlines()]
    assert sum(row["duration"] for row in rows) == pytest.approx(seconds)
    assert max(row["duration"] for row in rows) <= 36
    (report,) = home.glob("runs/*/report.html")
    assert "<html" in report.read_text()[:300]
