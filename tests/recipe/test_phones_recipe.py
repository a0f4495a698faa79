"""Phones through all stages, and through every use of the model that comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from asr.cli.main import main
from asr.config import Config, TokenConfig
from asr.data.pronunciations import read_lexicon
from asr.recipe.experiment import Experiment
from asr.recognizer import standalone

LEXICON = "ONE W AH1 N\nONE HH W AH1 N\nTWO T UW1\nTHREE TH R IY1\n"


@pytest.fixture
def phones(recipe: list[str], tmp_path: Path) -> list[str]:
    (tmp_path / "lexicon").write_text(LEXICON)
    return [*recipe, "--set", "tokens.kind=phones", "--set", f"tokens.lexicon={tmp_path / 'lexicon'}"]


def test_another_content_of_the_lexicon_makes_other_tokens(tmp_path: Path) -> None:
    tokens = TokenConfig(kind="phones", lexicon=str(tmp_path / "lexicon"))
    experiment = Experiment(Config(tokens=tokens), tmp_path, tmp_path)
    folders = set()
    for content in (LEXICON, LEXICON + "FOUR F AO1 R\n"):
        (tmp_path / "lexicon").write_text(content)
        folders.add(experiment.tokens(tmp_path / "manifests"))
    assert len(folders) == 2


def test_phones_are_trained_on_and_every_rate_says_what_it_counts(
    phones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(phones) == 0
    shown = capsys.readouterr()
    assert "phones: 10 tokens with the blank" in shown.out
    assert "PER %" in shown.out
    assert "PER dev: student" in shown.err
    assert "label PER" in shown.err
    run = next((tmp_path / "exp" / "tiny" / "runs").iterdir())
    metrics = (run / "metrics.jsonl").read_text()
    assert '"per"' in metrics
    assert '"label_per"' in metrics
    assert "wer" not in metrics
    report = (run / "report.html").read_text()
    assert "teacher PER, dev" in report
    assert "Phone error rate" in report
    assert "WER" not in report
    heard, said = ((run / "evaluation" / "teacher" / f"dev.{kind}.trans.txt").read_text() for kind in ("hyp", "ref"))
    assert len(heard.splitlines()) == 5
    assert {line.partition(" ")[2] for line in said.splitlines()} <= {"W AH N T UW", "HH W AH N T UW"}

    pytest.importorskip("flashlight.lib.text")
    assert main([*phones, "--decoder", "lm"]) == 0
    shown = capsys.readouterr()
    assert "WER %" in shown.out
    assert "PER %" in shown.out
    scores = json.loads((run / "evaluation" / "scores.json").read_text())
    assert [("per" in row, "wer" in row) for row in scores] == [(True, False)] * 2 + [(False, True)] * 2
    report = (run / "report.html").read_text()
    assert "teacher WER, dev" in report
    assert "lm words" in report

    lexicon = next((tmp_path / "exp" / "tiny" / "lm").glob("*/words.lexicon.gz"))
    assert read_lexicon(str(lexicon)) == {"ONE": [("W", "AH", "N"), ("HH", "W", "AH", "N")], "TWO": [("T", "UW")]}

    assert main(["tune", *phones[1:], "--utterances", "2"]) == 0
    assert "WER" in capsys.readouterr().out
    assert main(["tune", *phones[1:], "--set", "decode.lexicon=none"]) == 2
    assert "phones are tuned for words" in capsys.readouterr().err

    _use(run, str(next((tmp_path / "data").rglob("3-1-0000.flac"))), tmp_path, capsys)


def _use(run: Path, audio: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), str(folder / "model")]) == 0
    assert (folder / "model" / "tokens.txt").read_text().split()[:3] == ["<blank>", "▁AH", "▁HH"]
    capsys.readouterr()
    lm = str(next((folder / "exp" / "tiny" / "lm").glob("*/words.arpa")))
    for model in (str(run), str(folder / "model")):
        assert main(["transcribe", model, audio]) == 0
        shown = capsys.readouterr()
        assert set(shown.out.split()) <= set("AH HH IY N R T TH UW W".split())
        assert "this model writes phones; words take a lexicon: --decoder lm --lm FILE" in shown.err
        assert main(["transcribe", model, audio, "--decoder", "lm", "--lm", lm, "--format", "json"]) == 0
        words = json.loads(capsys.readouterr().out)["words"]
        assert {word["text"] for word in words} <= {"ONE", "TWO"}
        assert all(word["start"] < word["end"] for word in words)
        assert main(["align", model, audio, "--text", "two one", "--format", "json"]) == 0
        assert [word["text"] for word in json.loads(capsys.readouterr().out)["words"]] == ["two", "one"]
    samples, _ = soundfile.read(audio, dtype="float32")
    assert set(standalone.load(folder / "model").transcribe(samples).split()) <= set("AH HH IY N R T TH UW W".split())
