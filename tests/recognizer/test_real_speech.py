"""The model that ships, on real speech that ships too."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.cli.main import main
from asr.recognizer.shipped import SHIPPED
from asr.score.transcripts import read_transcripts

SPEECH = Path(__file__).parents[1] / "speech"


def test_the_shipped_model_and_its_words_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()}
    words = sizes.pop("lm.arpa.gz") + sizes["lexicon.txt.gz"]
    assert sum(sizes.values()) <= 8e6
    assert words <= 4e6


def test_words_of_real_speech_are_heard_without_a_model_being_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    assert main(["transcribe", str(SPEECH), "--out", str(tmp_path)]) == 0
    heard = {path.stem: path.read_text().strip() for path in tmp_path.glob("*.txt")}
    said = read_transcripts(SPEECH / "speech.trans.txt")
    assert heard.keys() == said.keys()
    capsys.readouterr()
    right = sum(heard[name] == said[name] for name in said)
    # Another processor may round one of them away.
    assert right >= 2, heard


def test_phones_of_real_speech_are_heard_without_any_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(SPEECH / "5895-34629-0010.flac"), "--decoder", "greedy"]) == 0
    phones = capsys.readouterr().out.split()
    assert phones[0] == "DH"
    assert 20 <= len(phones) <= 28


def test_words_of_real_speech_are_found_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    audio = str(SPEECH / "5895-34629-0010.flac")
    assert main(["align", audio, "--text", "They began their performances.", "--format", "ctm"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[4].upper().strip(".") for row in rows] == ["THEY", "BEGAN", "THEIR", "PERFORMANCES"]
    starts = [float(row[2]) for row in rows]
    assert starts == sorted(starts)
    assert starts[-1] > 0.5
