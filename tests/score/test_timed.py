"""STM and CTM: times decide which words belong to which segment, as in sclite, which is asked where it is installed."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.score.files import Options, TextFile, score_files
from asr.score.matching import Policy
from asr.score.sclite import Leniency
from asr.score.scoring import Scoring
from asr.score.texts import Method

STM = ";; a comment\nf 1 anna 0 2 <o,f0> a b\nf 1 bert 3 5 <o,f1> c d\n"


def score(folder: Path, stm: str, ctm: str, options: Options | None = None) -> Scoring:
    reference, heard = folder / "r.stm", folder / "h.ctm"
    reference.write_text(stm)
    heard.write_text(ctm)
    return score_files(TextFile(reference, "r"), [TextFile(heard, "h")], options or Options(method=Method("sclite")))


def heard_in(scoring: Scoring) -> list[str]:
    return [text.hypothesis for text in scoring.systems[0].texts]


def test_words_go_to_the_first_segment_that_ends_after_their_middle_and_the_last_gets_the_rest(tmp_path: Path) -> None:
    ctm = "f 1 0.1 0.2 a\nf 1 0.5 0.2 b\nf 1 2.5 0.1 gap\nf 1 3.1 0.2 c 0.93\nf 1 4 0.2 d\nf 1 6 0.1 late\n"
    scoring = score(tmp_path, STM, ctm)
    assert heard_in(scoring) == ["a b", "gap c d late"]
    assert [(u.id, u.speaker, u.subset) for u in scoring.utterances] == [
        ("f-1-0.0-2.0", "anna", "o,f0"),
        ("f-1-3.0-5.0", "bert", "o,f1"),
    ]
    assert scoring.systems[0].totals.words.tolist() == [[0, 0, 0, 2], [0, 0, 2, 2]]


def test_a_middle_at_the_end_of_a_segment_is_where_single_precision_puts_that_end(tmp_path: Path) -> None:
    for end, expected in (("10.35", ["w", ""]), ("8.48", ["", "w"])):
        begin = float(end) - 0.2
        found = score(tmp_path, f"f 1 a 0 {end} x\nf 1 b {end} 19 y\n", f"f 1 {begin:.2f} 0.4 w\n")
        assert heard_in(found) == expected


def test_files_and_channels_are_kept_apart_and_words_may_come_in_any_order(tmp_path: Path) -> None:
    stm = "f A anna 0 2 a b\nf B bert 0 2 c\ng A carl 0 9 d\n"
    ctm = "g A 1 .1 d\nf B 0.1 0.2 c\nf A 1 0.2 b\nf A 0.1 0.2 a\n"
    assert heard_in(score(tmp_path, stm, ctm)) == ["a b", "c", "d"]


def test_segments_that_are_to_be_ignored_are_with_what_was_heard_in_them(tmp_path: Path) -> None:
    stm = "f 1 x 0 2 <o> ignore_time_segment_in_scoring\nf 1 anna 2 5 c d\n"
    scoring = score(tmp_path, stm, "f 1 0.1 0.2 a\nf 1 3.1 0.2 c\n")
    assert heard_in(scoring) == ["c"]
    assert scoring.warnings == [
        "1 segments are marked IGNORE_TIME_SEGMENT_IN_SCORING; neither they nor what was heard in them is scored"
    ]


def test_alternatives_and_marks_are_read_in_both(tmp_path: Path) -> None:
    ctm = "f 1 * * <ALT_BEGIN>\nf 1 0.1 0.2 x\nf 1 * * <ALT>\nf 1 0.1 0.1 a\nf 1 0.2 0.1 b\nf 1 * * <ALT>\n"
    scoring = score(tmp_path, "f 1 s 0 9 a b { c / z } d;x\n", ctm + "f 1 * * <ALT_END>\nf 1 1 1 z*\nf 1 2 1 \\d\n")
    assert scoring.systems[0].totals.words.tolist() == [[0, 0, 0, 4]]
    lenient = Options(method=Method("sclite", Leniency(True, True)))
    scoring = score(tmp_path, "f 1 s 0 10 (uh) a- b\n", "f 1 1 1 abc\nf 1 2 1 b\n", lenient)
    assert scoring.systems[0].totals.words.tolist() == [[0, 0, 0, 3]]


def test_what_a_ctm_lacks_or_has_too_many_of_is_an_error_or_a_warning(tmp_path: Path) -> None:
    stm, ctm = "f 1 s 0 2 a\ng 1 s 0 2 b\n", "f 1 0 1 a\n"
    with pytest.raises(UserError, match=r"h: no hypothesis for 1 of 2 utterances, 'g-1-0.0-2.0'"):
        score(tmp_path, stm, ctm)
    assert heard_in(score(tmp_path, stm, ctm, Options(policy=Policy(missing="empty")))) == ["a", ""]
    with pytest.raises(UserError, match=r"h\.ctm, line 2: 1 words of a recording or channel that"):
        score(tmp_path, "f 1 s 0 2 a\n", "f 1 0 1 a\nf 2 0 1 a\n")
    scoring = score(tmp_path, "f 1 s 0 2 a\n", "f 1 0 1 a\nf 2 0 1 a\n", Options(policy=Policy(extra="skip")))
    assert heard_in(scoring) == ["a"]
    assert "1 words of a recording or channel" in scoring.warnings[0]


def test_a_hypothesis_may_be_stm_too_in_the_same_segments(tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text(STM)
    (tmp_path / "h.stm").write_text(STM.replace("c d", "c x").replace("f 1 anna 0 2", "f 1 ? 0.00 2.0"))
    scoring = score_files(TextFile(tmp_path / "r.stm", "r"), [TextFile(tmp_path / "h.stm", "h")], Options())
    assert scoring.systems[0].totals.errors.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("stm", "ctm", "message"),
    [
        ("f 1 s 0\n", "", r"r\.stm, line 1: 4 columns, where .stm has"),
        ("f 1 s 0 x a\n", "", r"r\.stm, line 1: the end is 'x', where seconds are needed"),
        ("f 1 s 3 2 a\n", "", r"r\.stm, line 1: ends at 2 s, before it begins at 3 s"),
        (STM, "f 1 0 1\n", r"h\.ctm, line 1: 4 columns, where .ctm has"),
        (STM, "f 1 nan 1 a\n", r"h\.ctm, line 1: the begin is 'nan'"),
        (STM, "f 1 0 -1 a\n", r"h\.ctm, line 1: a duration of -1 s"),
        (STM, "f 1 * * <ALT>\n", r"line 1: <ALT> where none is expected"),
        (STM, "f 1 * * <ALT_BEGIN>\nf 1 0 1 a\n", r"h\.ctm: <ALT_BEGIN> without its <ALT_END>"),
        (STM, "f 1 * * <ALT_BEGIN>\nf 1 * * <ALT_END>\n", "line 2: alternatives without a word"),
        (STM, "f 1 * * <ALT_BEGIN>\nf 1 0 1 a/b\nf 1 * * <ALT_END>\n", "line 3: a slash in a word of an alternative"),
        (STM, "f 1 0 1 {a\n", "'{' without its '}'"),
        ("f 1 s 0 1 a\nf 1 s 0 1 b\n", "f 1 0 1 a\n", "utterance id 'f-1-0.0-1.0' was already at"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, stm: str, ctm: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        score(tmp_path, stm, ctm)


def test_words_with_times_need_references_with_times(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("f a\n")
    (tmp_path / "h.ctm").write_text("f 1 0 1 a\n")
    text, ctm = TextFile(tmp_path / "text", "text"), TextFile(tmp_path / "h.ctm", "h.ctm")
    with pytest.raises(UserError, match=r"h\.ctm: a \.ctm says when .* references in \.stm, not in kaldi"):
        score_files(text, [ctm], Options())
    with pytest.raises(UserError, match=r"h\.ctm: a \.ctm has no segments; references with times are in \.stm"):
        score_files(ctm, [text], Options())


def ask_sclite(folder: Path) -> list[tuple[int, ...]]:
    program = [shutil.which("sclite")] if shutil.which("sclite") else [shutil.which("sctk"), "sclite"]
    if program[0] is None:
        pytest.skip("sclite is not installed (Debian's package sctk)")
    command = [*map(str, program), *"-r r.stm stm -h h.ctm ctm -o pra stdout -f 0".split()]
    told = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout.decode()
    ids = re.findall(r"^id: \(s(\d+)-000\)", told, re.MULTILINE)
    scores = re.findall(r"^Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", told, re.MULTILINE)
    found = {int(row): tuple(map(int, numbers)) for row, numbers in zip(ids, scores, strict=True)}
    return [found[row] for row in sorted(found)]


def test_random_segments_and_words_are_counted_as_the_installed_sclite_counts(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(20):
        stm: list[str] = []
        ctm: list[str] = []
        for channel in "12":
            time = 0.0
            for _ in range(rng.randint(1, 12)):
                time = round(time + rng.choice((0, 0, 0.5, 2)), 2)
                end = round(time + rng.uniform(0.2, 5), 2)
                said = " ".join(rng.choices("abcd", k=rng.randint(0, 6)))
                stm.append(f"f {channel} s{len(stm)} {time} {end} <o> {said}\n")
                # Now and then two segments are in one another's time.
                time = end if rng.random() < 0.9 else round((time + end) / 2, 2)
            begin = 0.0
            while begin < time + 2:
                begin = round(begin + rng.choice((0.05, 0.1, 0.3, 1)), 2)
                ctm.append(f"f {channel} {begin} {rng.choice((0.02, 0.1, 0.4))} {rng.choice('abcd')}\n")
        scoring = score(tmp_path, "".join(stm), "".join(ctm))
        assert ask_sclite(tmp_path) == [tuple(row) for row in scoring.systems[0].totals.words[:, [3, 0, 1, 2]].tolist()]
