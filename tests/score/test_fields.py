"""Which field holds what is decided once for a file, and never guessed where that could be wrong."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from asr.cli.main import main
from asr.errors import UserError
from asr.score.files import Options, TextFile, score_files
from asr.score.formats import read_texts
from asr.score.lines import FIELDS, HYPOTHESIS_TEXT, Fields
from asr.score.matching import Policy
from asr.score.scoring import Scoring

HYPOTHESIS = Fields(text=HYPOTHESIS_TEXT, recogs="hyp")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score(reference: Path, hypothesis: Path, options: Options | None = None, fields: Fields = HYPOTHESIS) -> Scoring:
    heard = TextFile(hypothesis, hypothesis.name, fields=fields, prefix="--hyp-")
    return score_files(TextFile(reference, reference.name), [heard], options or Options())


ROWS = [
    {"id": "a", "text": "one two three four", "pred_text": "one x x x"},
    {"id": "b", "text": "one two three four", "pred_text": "x x x four"},
    {"id": "c", "text": "one two three four", "pred_text": "x x three x"},
]


def test_the_hypotheses_of_a_file_are_in_one_field(tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", ROWS)
    assert score(path, path).systems[0].totals.errors.sum() / 12 == 0.75
    # Two of three rows lack it: their references were taken for hypotheses once, which gave 3 errors in 12 words.
    lacking = [{key: row[key] for key in row if key != "pred_text" or row is ROWS[0]} for row in ROWS]
    path = write(tmp_path / "lacking.json", lacking)
    with pytest.raises(UserError, match=r"lacking\.json, line 2: has no 'pred_text', which other lines have; it has"):
        score(path, path)
    path = write(tmp_path / "first.json", lacking[::-1])
    with pytest.raises(UserError, match=r"first\.json, line 1: has no 'pred_text', which other lines have"):
        score(path, path)


def test_an_unknown_field_beside_the_text_is_no_reason_to_score_the_references_against_themselves(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "m.json", [{"id": "a", "text": "one two", "ctc_out": "one x"}])
    with pytest.raises(
        UserError, match=r"its field 'text' holds the references, .* --hyp-text-field; it also has 'ctc_out'"
    ):
        score(path, path)
    assert score(path, path, fields=Fields(text=("ctc_out",))).systems[0].totals.errors.sum() == 1
    path = write(tmp_path / "p.json", [{"id": "a", "text": "one two", "prediction": "one x"}])
    assert score(path, path).systems[0].totals.errors.sum() == 1


def test_a_copy_of_the_references_is_warned_of_where_other_fields_are_there(tmp_path: Path) -> None:
    reference = write(tmp_path / "r.json", [{"id": "a", "text": "one two"}])
    heard = write(tmp_path / "h.json", [{"id": "a", "text": "one two", "ctc_out": "one x", "speaker": "anna"}])
    (warning,) = score(reference, heard).warnings
    assert warning.startswith("h.json: 'text' is word for word what the references are")
    assert warning.endswith("it has 'ctc_out'")
    heard = write(tmp_path / "h.json", [{"id": "a", "text": "one two", "speaker": "anna"}])
    assert not score(reference, heard).warnings


@pytest.mark.parametrize("name", ["text", "r.trn", "r.trans.txt", "r.csv"])
def test_references_are_no_hypotheses_whatever_the_format(name: str, tmp_path: Path) -> None:
    contents = {"text": "a b\n", "r.trn": "b (a)\n", "r.trans.txt": "a B\n", "r.csv": "id,text\na,b\n"}
    (tmp_path / name).write_text(contents[name])
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link"):
        heard = TextFile(path, "heard", {"text": "kaldi", "r.trans.txt": "librispeech"}.get(name, name[-3:]))
        with pytest.raises(UserError, match=r"holds the references"):
            score_files(TextFile(tmp_path / name, "r"), [heard], Options())


def test_a_tree_is_no_hypothesis_of_a_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "LibriSpeech" / "dev-clean" / "1" / "2"
    folder.mkdir(parents=True)
    (folder / "1-2.trans.txt").write_text("1-2-0 HELLO\n")
    whole, part = (TextFile(path, path.name) for path in (tmp_path / "LibriSpeech", folder.parent.parent))
    for files in ((whole, part), (part, whole)):
        with pytest.raises(UserError, match=r"holds the references; name the hypotheses' file"):
            score_files(files[0], files[1:], Options())


def test_the_verb_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path / "m.json", [{"id": "a", "text": "one", "other": "x"}]))
    assert main(["score", path, path]) == 2
    assert "name that with --hyp-text-field; it also has 'other' (formats were guessed: " in capsys.readouterr().err
    assert main(["score", path, path, "--hyp-text-field", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["wer"] == 1


def test_icefalls_recogs_hold_both_texts(tmp_path: Path) -> None:
    path = tmp_path / "recogs-test.txt"
    path.write_text(
        "1-2-0:\tref=['THE', \"DOG'S\"]\n1-2-0:\thyp=['A', \"DOG'S\"]\n"
        "1-2-0:\ttimestamp_hyp=[0.1, 0.2]\n3-4-0:\tref=['SO']\n3-4-0:\thyp=[]\n"
    )
    scoring = score(path, path)
    assert [(text.reference, text.hypothesis) for text in scoring.systems[0].texts] == [
        ("THE DOG'S", "A DOG'S"),
        ("SO", ""),
    ]
    assert [utterance.speaker for utterance in scoring.utterances] == ["1", "3"]
    with pytest.raises(UserError, match=r"holds the references; name the hypotheses' file"):
        score(path, path, fields=FIELDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a:\tref=['x']\na:\thyp=['x']\nb:\tref=['y']\n", "utterance 'b' has no hyp="),
        ("a:\tref=['x']\na:\thyp=[\n", "line 2: hyp= is not followed by a list of words"),
        ("a:\tref=['x']\na:\thyp=[1]\n", "line 2: hyp= is not followed by a list of words"),
        ("a:\tref=['x']\na hyp=['x']\n", "line 2: not as icefall writes recogs"),
        ("a:\tref=['x']\na:\thyp=__import__('os')\n", "line 2: hyp= is not followed by a list of words"),
    ],
)
def test_a_malformed_recogs_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "recogs").write_text(content)
    with pytest.raises(UserError, match=message):
        read_texts(tmp_path / "recogs", fields=HYPOTHESIS)


def test_rows_of_one_recording_are_told_apart_by_their_offset(tmp_path: Path) -> None:
    rows = [{"audio_filepath": "/x/talk.wav", "offset": n * 2.5, "text": word} for n, word in enumerate("abc")]
    reference = write(tmp_path / "r.json", rows)
    heard = write(tmp_path / "h.json", [{**row, "text": "a"} for row in rows[::-1]])
    scoring = score(reference, heard)
    assert [utterance.id for utterance in scoring.utterances] == [f"/x/talk.wav@{n * 2.5:.3f}" for n in range(3)]
    assert scoring.systems[0].totals.errors.tolist() == [0, 1, 1]
    alone = score(write(tmp_path / "r1.json", rows[:1]), write(tmp_path / "h1.json", rows[:1]))
    assert alone.utterances[0].id == "/x/talk.wav"


def test_rows_that_only_one_file_can_tell_apart_are_no_duplicates(tmp_path: Path) -> None:
    rows = [{"audio_filepath": "talk.wav", "offset": n, "text": word} for n, word in enumerate("abc")]
    reference = write(tmp_path / "r.json", rows)
    heard = write(tmp_path / "h.json", [{"audio_filepath": "talk.wav", "text": "a b c"}])
    with pytest.raises(UserError, match=r"r\.json, line 2: another row of the recording 'talk\.wav'.* field 'offset'"):
        score(reference, heard)
    with pytest.raises(UserError, match=r"line 1, utterance 'talk.wav': the offset is 'x', where seconds are needed"):
        score(reference, write(tmp_path / "b.json", [{"audio_filepath": "talk.wav", "offset": "x", "text": "a"}]))
    twice = write(tmp_path / "t.json", [*rows, rows[0]])
    with pytest.raises(UserError, match=r"line 4: utterance id 'talk.wav@0.000' was already at .* --duplicates"):
        score(twice, write(tmp_path / "h2.json", rows))


def test_ids_may_be_typed_in_either_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = "zoë-1", unicodedata.normalize("NFD", "zoë-1")
    reference = write(tmp_path / "r.json", [{"id": composed, "text": "a"}])
    heard = write(tmp_path / "h.json", [{"id": decomposed, "text": "a"}])
    assert [utterance.id for utterance in score(reference, heard).utterances] == [composed]
    both = write(tmp_path / "b.json", [{"id": composed, "text": "a"}, {"id": decomposed, "text": "a"}])
    with pytest.raises(UserError, match=r"b\.json, line 2: utterance id 'zoe.-1' was already, written 'zoë-1', at"):
        score(both, heard)


def test_ids_that_differ_in_case_are_two_and_pointed_out(tmp_path: Path) -> None:
    reference = write(tmp_path / "r.json", [{"id": "A-1", "text": "a"}, {"id": "a-1", "text": "b"}])
    assert (
        len(score(reference, write(tmp_path / "h.json", [{"id": n, "text": "a"} for n in ("a-1", "A-1")])).utterances)
        == 2
    )
    heard = write(tmp_path / "h.json", [{"id": "A-1", "text": "a"}, {"id": "A-2", "text": "a"}])
    with pytest.raises(UserError, match=r"no hypothesis for 1 of 2 utterances, 'a-1'; .* Some differ in case alone"):
        score(write(tmp_path / "r.json", [{"id": "A-2", "text": "a"}, {"id": "a-1", "text": "b"}]), heard)


def test_speakers_of_some_utterances_alone_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("anna-1 a\nbert-1 b\n")
    (tmp_path / "utt2spk").write_text("anna-1 anna\nbert-1\n")
    (tmp_path / "h").write_text("anna-1 a\nbert-1 b\n")
    reference, heard = TextFile(tmp_path, "r"), TextFile(tmp_path / "h", "h", "kaldi")
    with pytest.raises(UserError, match=r"line 2: utterance 'bert-1' has no speaker in utt2spk, and others have one"):
        score_files(reference, [heard], Options())
    (tmp_path / "utt2spk").write_text("anna-1 anna\nbert-1 bert\n")
    assert [u.speaker for u in score_files(reference, [heard], Options()).utterances] == ["anna", "bert"]
    rows = [{"id": "a", "text": "x", "speaker": "anna"}, {"id": "b", "text": "y"}]
    path = write(tmp_path / "r.json", rows)
    with pytest.raises(UserError, match=r"r\.json, line 2: utterance 'b' has no speaker, and others have one"):
        score(path, write(tmp_path / "h.json", rows))
    # What is left out needs none.
    one = score(path, write(tmp_path / "h1.json", rows[:1]), Options(policy=Policy(missing="skip")))
    assert [u.speaker for u in one.utterances] == ["anna"]
