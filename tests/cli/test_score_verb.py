from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.cli.main import main


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_errors_are_counted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = write(tmp_path / "dev.ref.trans.txt", "1-1-0 THE OLD MAN\n2-1-0 GO ON NOW\n")
    hypotheses = write(tmp_path / "dev.hyp.trans.txt", "2-1-0 GO NOW\n1-1-0 THE OLD MEN TOO\n")
    assert main(["score", references, hypotheses, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["substitutions"], scores["deletions"], scores["insertions"], scores["words"]) == (1, 1, 1, 6)
    assert scores["wer"] == 0.5
    assert scores["wer_low"] <= 0.5 <= scores["wer_high"]
    assert main(["score", references, hypotheses, "--json", "--speakers", "2,3"]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == 3
    assert main(["score", references, hypotheses]) == 0
    assert "50.00" in capsys.readouterr().out


def test_texts_that_do_not_match_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = write(tmp_path / "ref.txt", "a X\nb Y\n")
    hypotheses = write(tmp_path / "hyp.txt", "a X\n")
    assert main(["score", references, hypotheses]) == 2
    assert "hyp.txt: 1 utterances are missing, among them 'b'" in capsys.readouterr().err
    assert main(["score", references, str(tmp_path / "none.txt")]) == 2
    assert "cannot read transcripts" in capsys.readouterr().err
