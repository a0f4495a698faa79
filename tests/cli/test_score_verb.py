from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.cli.main import main

REFERENCES = "1-1-0 THE OLD MAN\n2-1-0 GO ON NOW\n"
HYPOTHESES = "2-1-0 GO NOW\n1-1-0 AND THE OLD MEN\n"


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    return (
        write(tmp_path / "dev.ref.trans.txt", REFERENCES),
        write(tmp_path / "dev.hyp.trans.txt", HYPOTHESES),
        write(tmp_path / "lm.txt", REFERENCES),
    )


def test_json_holds_all_counts(files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    references, hypotheses, _ = files
    assert main(["score", references, hypotheses, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    (system,) = scores["systems"]
    assert (system["substitutions"], system["deletions"], system["insertions"], system["words"]) == (1, 1, 1, 6)
    assert system["wer_low"] <= system["wer"] == 0.5 <= system["wer_high"]
    assert (scores["normaliser"], scores["alignment"], scores["speakers"]) == ("librispeech", "levenshtein", 2)
    assert main(["score", references, hypotheses, "--json", "--speakers", "2,3"]) == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["words"] == 3


def test_the_terminal_shows_scores_speakers_confusions_and_aligned_errors(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *files[:2], "--worst", "1", "--normaliser", "none"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("normaliser: none; alignment: levenshtein; intervals: bootstrap over 2 utterances, as none")
    assert "dev.hyp.trans.txt       2         6   50.00" in shown
    assert "2 speakers\nspeaker    utts" in shown
    assert "    1  MAN → MEN" in shown
    rows = shown[shown.index("1-1-0") :].splitlines()
    assert rows == [
        "1-1-0  (2 in 3 words)",
        "REF:               *** THE OLD MAN",
        "dev.hyp.trans.txt: AND THE OLD MEN",
        "                   I           S",
    ]
    assert "\033" not in shown


def test_colours_are_for_terminals_or_on_demand(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *files[:2], "--colour", "always"]) == 0
    shown = capsys.readouterr().out
    assert "\033[35mAND\033[0m THE OLD \033[33mMEN\033[0m" in shown
    assert "I           S" not in shown


def test_two_systems_are_compared_and_shown_under_one_reference(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *files, "--names", "greedy,lm"]) == 0
    shown = capsys.readouterr().out
    assert "greedy, lm: -50.00 points" in shown
    assert "paired bootstrap over 2 speakers: p " in shown
    assert "matched pairs, 3 segments: p cannot be told" in shown
    assert "REF:    *** THE OLD MAN\ngreedy: AND THE OLD MEN\n" in shown
    assert "lm:         THE OLD MAN\n" in shown


def test_ci_fails_above_a_rate_and_not_at_it(files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    references, hypotheses, right = files
    assert main(["score", references, hypotheses, "--fail-above", "50"]) == 0
    assert main(["score", references, right, "--fail-above", "0"]) == 0
    capsys.readouterr()
    assert main(["score", references, right, hypotheses, "--fail-above", "49.9"]) == 1
    assert capsys.readouterr().err == "kappa-asr: dev.hyp.trans.txt: WER 50.00 % is above 49.9 %\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--fail-above", "nan"], "--fail-above nan: give a WER in per cent"),
        (["--resamples", "0"], "--resamples 0: must be at least 1"),
        (["--names", "a,b"], "1 hypotheses named a, b; give each its own name"),
        (["--hyp-format", "jsonl"], "line 1: not JSON"),
    ],
)
def test_what_makes_no_sense_is_exit_code_2(
    files: tuple[str, str, str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *files[:2], *more]) == 2
    assert message in capsys.readouterr().err


def test_missing_hypotheses_are_an_error_or_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = write(tmp_path / "ref.txt", "a X\nb Y\n")
    hypotheses = write(tmp_path / "hyp.txt", "a X\n")
    assert main(["score", references, hypotheses]) == 2
    assert "hyp.txt: no hypothesis for 1 of 2 utterances, 'b'" in capsys.readouterr().err
    assert main(["score", references, hypotheses, "--missing", "empty", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["systems"][0]["wer"] == 0.5
    assert "kappa-asr: warning: hyp.txt: no hypothesis for 1 of 2" in shown.err
    assert main(["score", references, str(tmp_path / "none.txt")]) == 2
    assert "cannot read transcripts" in capsys.readouterr().err


def test_one_file_may_hold_reference_and_hypothesis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps({"audio_filepath": "x/1.wav", "text": "a b", "pred_text": "a c"}))
    assert main(["score", path, path, "--json", "--html", str(tmp_path / "out" / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["substitutions"] == 1
    assert (tmp_path / "out" / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
