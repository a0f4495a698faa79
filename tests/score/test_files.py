import random
from dataclasses import replace
from pathlib import Path

import jiwer
import pytest

from asr.errors import UserError
from asr.score.files import Options, TextFile, score_files
from asr.score.matching import Policy
from asr.score.scoring import Scoring
from asr.score.speakers import Speakers
from asr.score.summary import summarise_scoring


def write(path: Path, content: str) -> TextFile:
    path.write_text(content)
    return TextFile(path, path.name)


def score(tmp_path: Path, reference: str, *hypotheses: str, **options: object) -> Scoring:
    files = [write(tmp_path / f"h{number}.txt", content) for number, content in enumerate(hypotheses)]
    return score_files(write(tmp_path / "r.txt", reference), files, replace(Options(), **options))  # type: ignore[arg-type]


def test_the_rates_are_exactly_those_of_jiwer(tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = [[" ".join(rng.choices("ab cd ef gh".split(), k=rng.randint(1, 9))) for _ in range(60)] for _ in range(2)]
    files = ["".join(f"s{row % 7}-{row} {text}\n" for row, text in enumerate(side)) for side in texts]
    summary = summarise_scoring(score(tmp_path, *files))
    (system,) = summary["systems"]
    words, characters = jiwer.process_words(*texts), jiwer.process_characters(*texts)
    assert (system["wer"], system["cer"]) == (words.wer, characters.cer)
    found = [system[key] for key in ("substitutions", "deletions", "insertions", "utterances")]
    assert found == [words.substitutions, words.deletions, words.insertions, 60]
    wrong = sum(a != b for a, b in zip(*texts, strict=True))
    assert system["sentence_error_rate"] == wrong / 60
    assert sum(s["words"] for s in system["speakers"].values()) == system["words"]
    assert len(system["speakers"]) == 7


def test_what_is_counted_as_confused_adds_up(tmp_path: Path) -> None:
    scoring = score(tmp_path, "a the cat sat\nb the cat\nc x\n", "a a cat\nb a cat up\nc x\n")
    confusions = summarise_scoring(scoring)["systems"][0]["confusions"]
    assert confusions == {
        "substitutions": [["the", "a", 2]],
        "deletions": [["sat", 1]],
        "insertions": [["up", 1]],
    }


REFERENCE = "s-1 a b\ns-2 c d\n"


@pytest.mark.parametrize(
    ("hypothesis", "message"),
    [
        ("s-1 a b\n", "h0.txt: no hypothesis for 1 of 2 utterances, 's-2'; .* --missing empty|skip"),
        ("s-1 a b\ns-2 c d\ns-3 e\n", "h0.txt: 1 hypotheses without a reference, 's-3'; .* --extra skip"),
        ("s-1 a b\ns-2 c d\ns-1 x\n", "line 3: begins with 's-1' as line 1 does. If that is an utterance id, keep one"),
        (
            "x/s-1.wav a\n",
            "h0.txt: has none of the references' utterance ids; they are such as 's-1', here 'x/s-1.wav'",
        ),
    ],
)
def test_ids_that_do_not_match_are_errors_that_name_the_way_out(tmp_path: Path, hypothesis: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        score(tmp_path, REFERENCE, hypothesis)


def test_going_on_with_ids_that_do_not_match_is_never_silent(tmp_path: Path) -> None:
    hypothesis = "s-1 a b\ns-3 e\ns-1 x\n"
    scoring = score(tmp_path, REFERENCE, hypothesis, policy=Policy("empty", "skip", "first"))
    assert [*scoring.systems[0].totals.errors] == [0, 2]
    assert [warning.split(": ", 1)[1] for warning in scoring.warnings] == [
        "1 repeated utterance ids, 's-1'; took the first of each",
        "no hypothesis for 1 of 2 utterances, 's-2'; scored as empty",
        "1 hypotheses without a reference, 's-3'; left out",
    ]
    scoring = score(tmp_path, REFERENCE, hypothesis, policy=Policy("skip", "skip", "last"))
    assert [(u.id, scoring.systems[0].texts[row].hypothesis) for row, u in enumerate(scoring.utterances)] == [
        ("s-1", "x")
    ]
    assert len(scoring.warnings) == 3


def test_what_one_system_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    scoring = score(tmp_path, REFERENCE, "s-1 a b\n", REFERENCE, policy=Policy(missing="skip"))
    assert [len(system.texts) for system in scoring.systems] == [1, 1]


def test_ids_may_be_matched_by_file_name(tmp_path: Path) -> None:
    assert not score(tmp_path, REFERENCE, "/x/s-1.wav a b\n/y/s-2.wav c d\n", id_stem=True).warnings


def test_references_in_librispeechs_form_are_normalised_unless_told_otherwise(tmp_path: Path) -> None:
    reference = write(tmp_path / "r.trans.txt", "1-1 IT'S HERE\n")
    heard = [write(tmp_path / "h.txt", "1-1 It’s, here.\n")]
    scoring = score_files(reference, heard, Options())
    assert (scoring.normaliser, scoring.systems[0].totals.errors[0]) == ("upper", 0)
    scoring = score_files(reference, heard, Options(normaliser="none"))
    assert (scoring.normaliser, scoring.systems[0].totals.errors[0]) == ("none", 2)


def test_texts_in_another_case_are_pointed_out(tmp_path: Path) -> None:
    assert "h0.txt: is in another case" in score(tmp_path, "a HELLO\n", "a hello\n").warnings[0]
    assert not score(tmp_path, "a HELLO\n", "a hello\n", normaliser="lowercase").warnings
    (told,) = score(tmp_path, "a Hello, World\n", "a HELLO, WORLD\n").warnings
    assert "is in another case than the references (upper, not mixed)" in told
    assert not score(tmp_path, "a 你好\n", "a hello\n").warnings


def test_punctuation_on_one_side_alone_is_pointed_out(tmp_path: Path) -> None:
    (told,) = score(tmp_path, "a well, that is all.\n", "a well that is all\n").warnings
    assert "h0.txt: has no punctuation, and the references have; choose a --normaliser" in told
    (told,) = score(tmp_path, "a well that is all\n", "a well, that is all.\n").warnings
    assert "h0.txt: has punctuation, and the references have none" in told
    assert not score(tmp_path, "a well, that is all.\n", "a well that is all\n", normaliser="upper").warnings


def test_texts_in_another_unicode_form_are_pointed_out(tmp_path: Path) -> None:
    one, two = "a caf\u00e9\n", "a cafe\u0301\n"
    assert "h0.txt: is in another Unicode form" in score(tmp_path, one, two).warnings[0]
    assert not score(tmp_path, one, two, normaliser="upper").warnings


def test_speakers_and_subsets_are_found_in_ids(tmp_path: Path) -> None:
    texts = "dev_anna_1 a\ntest_bert_2 b\n"
    scoring = score(tmp_path, texts, texts, speakers=Speakers(r"_([a-z]+)_", "^[a-z]+"))
    assert [(u.speaker, u.subset) for u in scoring.utterances] == [("anna", "dev"), ("bert", "test")]
    with pytest.raises(UserError, match="--speaker-pattern x is not found in the utterance id 'dev_anna_1'"):
        score(tmp_path, texts, texts, speakers=Speakers("x"))
    with pytest.raises(UserError, match=r"--subset-pattern \(: not a regular expression"):
        score(tmp_path, texts, texts, speakers=Speakers(subset_pattern="("))


def test_alternatives_are_read_in_trn_alone_in_references_and_hypotheses(tmp_path: Path) -> None:
    reference = write(tmp_path / "r.trn", "so { a / b } (s_1)\n(uh) c (s_2)\n")
    same = write(tmp_path / "h.trn", "so { c / b } (s_1)\nuh c (s_2)\n")
    scoring = score_files(reference, [same], Options())
    assert [*scoring.systems[0].totals.errors] == [0, 1]
    assert "words in parentheses are ordinary words" in scoring.warnings[0]
    assert {u.speaker for u in scoring.utterances} == {"s"}
    braces = score(tmp_path, "s-1 { a / b }\n", "s-1 a\n")
    assert braces.systems[0].totals.lengths[0] == 5


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"r\.txt: holds no utterance"):
        score(tmp_path, "", "a b\n")
    with pytest.raises(UserError, match=r"--speakers b: no utterance is theirs; there are a"):
        score(tmp_path, "a-1 x\n", "a-1 x\n", speakers=Speakers(only=frozenset("b")))


def test_speakers_that_are_not_there_or_have_no_name_are_told(tmp_path: Path) -> None:
    both = "a-1 x\nb-1 y\n"
    with pytest.raises(UserError, match="--speakers c: no utterance is theirs; there are a, b"):
        score(tmp_path, both, both, speakers=Speakers(only=frozenset("ac")))
    with pytest.raises(
        UserError, match=r"r\.txt, line 2: the group of --speaker-pattern \(a\)\|b has no part in .* 'b-1'"
    ):
        score(tmp_path, both, both, speakers=Speakers(pattern="(a)|b"))
