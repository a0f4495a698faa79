from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from asr.cli import score
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
    assert (scores["normaliser"], scores["alignment"], scores["speakers"]) == ("upper", "levenshtein", 2)
    assert main(["score", references, hypotheses, "--json", "--speakers", "2"]) == 0
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
    assert "paired bootstrap over 2 speakers: no p from fewer than 6" in shown
    assert "matched pairs, 3 segments: no p from fewer than 10" in shown
    assert "REF:    *** THE OLD MAN\ngreedy: AND THE OLD MEN\n" in shown
    assert "lm:         THE OLD MAN\n" in shown


def test_ci_fails_above_a_rate_and_not_at_it(files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    references, hypotheses, right = files
    assert main(["score", references, hypotheses, "--fail-above", "50"]) == 0
    assert main(["score", references, right, "--fail-above", "0"]) == 0
    capsys.readouterr()
    assert main(["score", references, right, hypotheses, "--fail-above", "49.9"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "kappa-asr: dev.hyp.trans.txt: WER 50.00 % is above 49.9 %"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--fail-above", "nan"], "--fail-above nan: give a WER in per cent"),
        (["--resamples", "0"], "--resamples 0: must be at least 1"),
        (["--names", "a,b"], "1 hypotheses named a, b; give each its own name"),
        (["--hyp-format", "jsonl"], "line 1: not valid JSON"),
        (["--utterances"], "--utterances: is part of the JSON; add --json"),
        (["-F"], "--fragments: needs --alignment sclite, and a --normaliser that leaves hyphens"),
        (
            ["--optional", "--alignment", "sclite", "--normaliser", "upper"],
            "--optional: needs --alignment sclite, and a",
        ),
        (["--html", "."], ".: a folder; name the page in it, such as page.html"),
        (["--html", "/proc/p.html"], "/proc/p.html: cannot be written"),
        (["--html", "a" * 5000], "File name too long"),
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


def corpus(folder: Path, speakers: int, name: str, wrong: str = "") -> str:
    """Five utterances of each speaker in two subsets, of which every other begins with a wrong word."""
    rows = [f"{speaker}-{row}" for speaker in range(speakers) for row in range(5)]
    lines = [f"{row} {wrong * (int(row[-1]) % 2)}a b c\n" for row in rows]
    (folder / name).parent.mkdir(exist_ok=True)
    return write(folder / name, "".join(lines))


@pytest.mark.parametrize(
    ("speakers", "warned", "has_p"),
    [
        (1, "1 speaker: says nothing about others, so there is no interval", False),
        (5, "5 speakers, fewer than 20: the bootstrap's intervals are too narrow, and it gives no p", False),
        (6, "6 speakers, fewer than 20: the bootstrap's intervals are too narrow, and its p too small", True),
        (19, "19 speakers, fewer than 20", True),
        (20, "", True),
    ],
)
def test_few_speakers_are_warned_of_and_very_few_have_no_p(
    tmp_path: Path, speakers: int, warned: str, has_p: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [corpus(tmp_path, speakers, name, wrong) for name, wrong in (("r", ""), ("a", "x "), ("b", "y x "))]
    assert main(["score", *files, "--json", "--resamples", "50"]) == 0
    shown = capsys.readouterr()
    summary = json.loads(shown.out)
    assert [warning for warning in summary["warnings"] if "speaker" in warning and warned not in warning] == []
    assert any(warned in warning for warning in summary["warnings"] if "speaker" in warning) == bool(warned)
    assert all(f"kappa-asr: warning: {warning}\n" in shown.err for warning in summary["warnings"])
    assert (summary["comparisons"][0]["bootstrap"]["p"] is not None) == has_p
    assert main(["score", *files[:2], "--json"]) == 0
    assert "gives no p" not in capsys.readouterr().err


def test_a_subset_with_few_speakers_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [corpus(tmp_path, 25, name) for name in ("r", "h")]
    assert main(["score", *files, "--subset-pattern", "^([0-9])", "--json", "--resamples", "20"]) == 0
    found = json.loads(capsys.readouterr().out)["warnings"]
    assert found == [
        "subset '1': 11 speakers, fewer than 20: the bootstrap's intervals are too narrow",
        "subset '2': 6 speakers, fewer than 20: the bootstrap's intervals are too narrow",
    ]


def test_few_segments_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for speakers, told in (
        (4, "a, b: 8 segments with errors, fewer than 50: the matched-pair test gives no p"),
        (7, "a rough p"),
    ):
        files = [corpus(tmp_path, speakers, name, wrong) for name, wrong in (("r", ""), ("a", "x "), ("b", "y x "))]
        assert main(["score", *files, "--resamples", "20"]) == 0
        assert told in capsys.readouterr().err


def test_hypotheses_of_one_name_are_told_apart_by_their_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [corpus(tmp_path, 2, name, "x ") for name in ("r", "teacher/dev.trans.txt", "student/dev.trans.txt")]
    assert main(["score", *files]) == 0
    assert "teacher, student: +0.00 points" in capsys.readouterr().out


def test_a_hypothesis_may_have_its_id_in_another_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = write(tmp_path / "r.jsonl", '{"id": "a-1", "utt": "0", "text": "b"}')
    hypothesis = write(tmp_path / "h.jsonl", '{"id": "0", "utt": "a-1", "text": "c"}')
    assert main(["score", reference, hypothesis]) == 2
    assert "--id-field and --hyp-id-field name other fields" in capsys.readouterr().err
    assert main(["score", reference, hypothesis, "--hyp-id-field", "utt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["wer"] == 1
    assert main(["score", reference, hypothesis, "--hyp-id-field", "key"]) == 2
    assert "Name the right one with --hyp-id-field" in capsys.readouterr().err


def test_json_holds_the_counts_of_each_utterance_on_demand(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *files, "--names", "greedy,lm", "--json", "--utterances"]) == 0
    first, second = json.loads(capsys.readouterr().out)["utterances"]
    right = {"words": 3, "substitutions": 0, "deletions": 0, "insertions": 0}
    assert first == {
        "id": "1-1-0",
        "speaker": "1",
        "subset": "",
        "systems": {"greedy": {"words": 3, "substitutions": 1, "deletions": 0, "insertions": 1}, "lm": right},
    }
    assert second["systems"] == {"greedy": {**right, "deletions": 1}, "lm": right}
    assert main(["score", *files, "--json"]) == 0
    assert "utterances" not in json.loads(capsys.readouterr().out)


def test_a_folder_is_left_as_it_was_where_a_page_cannot_be(
    files: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["score", *files[:2], "--html", str(tmp_path)]) == 2
    assert f"{tmp_path}: a folder; name the page in it" in capsys.readouterr().err
    assert sorted([*tmp_path.iterdir(), *tmp_path.parent.glob(".*.partial")]) == before


def test_every_argument_is_explained() -> None:
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    assert [action.dest for action in parser._actions if not action.help] == []


def test_sclites_options_are_named_with_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = write(tmp_path / "r.trn", "fr- (uh) Me (s_1)\n")
    hypothesis = write(tmp_path / "h.trn", "from me (S_1)\n")
    assert main(["score", reference, hypothesis, "--alignment", "sclite", "-F", "-D", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["alignment"], found["normaliser"]) == ("sclite, fragments, optional words", "none")
    assert (found["systems"][0]["wer"], found["systems"][0]["words"]) == (0, 3)
    assert main(["score", reference, hypothesis, "--alignment", "sclite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["substitutions"] == 1


def test_the_help_says_what_is_counted_otherwise_than_by_sclite(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    shown = capsys.readouterr().out
    assert "alignment sclite:" in shown
    assert "otherwise        on purpose: references without a hypothesis" in shown
