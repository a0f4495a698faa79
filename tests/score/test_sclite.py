"""Alignments as sclite's: against numbers that it gave once, and against the program itself where it is installed."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from asr.errors import UserError
from asr.score.alternatives import WordGraph, linear_graph, parse_alternatives
from asr.score.files import Options, TextFile, score_files
from asr.score.sclite import LEVENSHTEIN, SCLITE, Costs, Leniency, align_graphs, align_words, read_word, split_words
from asr.score.texts import Method, align_texts
from asr.score.wer import AlignedWord

Counts = tuple[int, ...]
"""Right words, substitutions, deletions, insertions."""

# As NIST's sclite 2.10 (SCTK 2.4.10) counted them, run once with `sclite -r REF trn -h HYP trn -i spu_id -o pra`.
SCLITE_COUNTS = [
    # A word out of step is a deletion and an insertion rather than two substitutions ...
    ("a b c", "b x c", (2, 0, 1, 1)),
    ("1 2 3 4 5 6", "7 8 9 1 2 3", (3, 0, 3, 3)),
    ("a b c d x y", "x y a b c d", (4, 0, 2, 2)),
    ("a b a b a b", "b a b a b a", (5, 0, 1, 1)),
    # ... even where that makes more errors than the edit distance, here 5 and 6,
    ("c f c b e", "b e e d a", (2, 0, 3, 3)),
    ("b f d e c e", "c a b a a d", (2, 1, 3, 3)),
    # but one right word is not worth four errors more,
    ("w1 w2 w3 w4 x", "x y1 y2 y3 y4", (0, 5, 0, 0)),
    ("x w1 w2 w3 w4", "y1 y2 y3 y4 x", (0, 5, 0, 0)),
    # and of equal costs, three substitutions or two words each deleted and inserted, the former are taken.
    ("a a a c", "a c b d", (1, 3, 0, 0)),
    ("a b a c", "c c d b", (0, 4, 0, 0)),
    ("a b b a", "d d a a", (1, 3, 0, 0)),
    ("the cat sat on the mat", "the the cat mat sat on mat", (5, 0, 1, 2)),
    ("one two three four five", "one three two five four", (3, 1, 1, 1)),
    ("a b c d", "b a d c", (2, 1, 1, 1)),
    ("b a b d e b d e a e e d", "e b d e c b d b d b d d", (6, 5, 1, 1)),
    # Nothing said, nothing heard.
    ("", "a b", (0, 0, 0, 2)),
    ("a b", "", (0, 0, 2, 0)),
    ("", "", (0, 0, 0, 0)),
    # Words are compared whole, A to Z as a to z, and white space but ASCII's belongs to them.
    ("i am not", "i'm not", (1, 1, 1, 0)),
    ("uh huh", "uh-huh", (0, 1, 1, 0)),
    ("(uh) hello", "hello", (1, 0, 1, 0)),
    ("hello (uh)", "hello uh", (1, 1, 0, 0)),
    ("A b", "a B", (2, 0, 0, 0)),
    ("É", "é", (0, 1, 0, 0)),
    ("a\u00a0b c", "a b c", (1, 1, 0, 1)),
    ("a\u3000b", "a b", (0, 1, 0, 1)),
    ("a\x1cb", "a b", (0, 1, 0, 1)),
    ("a\vb\fc\rd\te", "a b c d e", (5, 0, 0, 0)),
    # Marks within words.
    ("a\\b", "ab", (1, 0, 0, 0)),
    ("a\\\\b", "ab", (1, 0, 0, 0)),
    ("a;x;y b", "a b", (2, 0, 0, 0)),
    ("a\\;x b", "a;x b", (1, 1, 0, 0)),
    ("a* b", "a b", (2, 0, 0, 0)),
    ("a**", "a*", (0, 1, 0, 0)),
    ("a/b", "a b", (0, 1, 0, 1)),
    ("fr-", "from", (0, 1, 0, 0)),
    # Alternatives.
    ("{ a / b / @ } c", "c", (1, 0, 0, 0)),
    ("{ a / b / @ } c", "d c", (1, 0, 0, 1)),
    ("{ okay / o k } then", "o k then", (3, 0, 0, 0)),
    ("{ one { two / 2 } / twelve } x", "one 2 x", (3, 0, 0, 0)),
    ("{ going to / gonna } go", "going go", (2, 0, 1, 0)),
    ("{ a b / c d e / @ }", "", (0, 0, 0, 0)),
    ("leave { uh / @ } now", "leave now", (2, 0, 0, 0)),
    ("leave { uh / @ } now", "leave uh now", (3, 0, 0, 0)),
    ("and/or {and/or/y} x", "and/or or x", (3, 0, 0, 0)),
    ("@ foo", "foo", (1, 0, 0, 0)),
    ("a { @ / b } { @ / c } d", "a c d", (3, 0, 0, 0)),
    ("{ c / a b } d", "x y d", (1, 1, 0, 1)),
    # And in hypotheses.
    ("c", "{ a / b } c", (1, 0, 0, 1)),
    ("{ a / b } c", "{ c / b } c", (2, 0, 0, 0)),
    ("{ a / b }", "{ x / y }", (0, 1, 0, 0)),
    ("{ a / @ } b", "{ @ / a } b", (2, 0, 0, 0)),
    ("a", "{ a b / a }", (1, 0, 0, 0)),
    ("a", "@", (0, 0, 1, 0)),
    # Ways that cost all but the same: sclite's sums are rounded.
    ("a c d @ a", "d a a b c", (2, 0, 2, 3)),
    ("d { a b } @ a", "a a c c @", (2, 0, 2, 2)),
]
OPTIONAL_COUNTS = [
    ("(uh) a", "a", (2, 0, 0, 0)),
    ("(uh) a", "uh a", (2, 0, 0, 0)),
    ("(uh) a", "x a", (1, 1, 0, 0)),
    ("a", "(uh) a", (2, 0, 0, 0)),
    ("a", "uh a", (1, 0, 0, 1)),
    ("(uh) (um) a", "b", (2, 1, 0, 0)),
    ("(uh)", "", (1, 0, 0, 0)),
    ("(a) b", "(b)", (2, 0, 0, 0)),
    ("{ (uh) / @ } a", "a", (1, 0, 0, 0)),
]
FRAGMENT_COUNTS = [
    ("fr-", "from", (1, 0, 0, 0)),
    ("-om", "from", (1, 0, 0, 0)),
    ("from", "fr-", (1, 0, 0, 0)),
    ("fr-", "f", (0, 1, 0, 0)),
    ("-", "x", (0, 1, 0, 0)),
    ("fr-", "fr", (1, 0, 0, 0)),
    ("(fr-)", "from", (0, 1, 0, 0)),
    ("-fr-", "afrb", (0, 1, 0, 0)),
    ("fr-", "-om", (0, 1, 0, 0)),
    ("-é", "caffé", (1, 0, 0, 0)),
]
CASES = [
    *((case, Leniency()) for case in SCLITE_COUNTS),
    *((case, Leniency(optional=True)) for case in OPTIONAL_COUNTS),
    *((case, Leniency(fragments=True)) for case in FRAGMENT_COUNTS),
    (("(fr-) b", "from b", (2, 0, 0, 0)), Leniency(fragments=True, optional=True)),
    (("(-om)", "from", (0, 1, 0, 0)), Leniency(fragments=True, optional=True)),
]

words = st.lists(st.sampled_from("abc"), max_size=5)


def write_trn(path: Path, texts: Sequence[str]) -> TextFile:
    path.write_text("".join(f"{text} (s_{row})\n" for row, text in enumerate(texts)), encoding="utf-8", newline="")
    return TextFile(path, path.name, "trn")


def count(folder: Path, pairs: Sequence[tuple[str, str]], leniency: Leniency) -> list[Counts]:
    reference, heard = (
        write_trn(folder / name, texts) for name, texts in zip("rh", zip(*pairs, strict=True), strict=True)
    )
    scoring = score_files(reference, [heard], Options(method=Method("sclite", leniency), resamples=1))
    found = scoring.systems[0].totals.words[:, [3, 0, 1, 2]].tolist()
    assert [utterance.id for utterance in scoring.utterances] == [f"s_{row}" for row in range(len(pairs))]
    return [tuple(row) for row in found]


def ask_sclite(folder: Path, pairs: Sequence[tuple[str, str]], leniency: Leniency) -> list[Counts]:
    """What the installed sclite counts."""
    program = [shutil.which("sclite")] if shutil.which("sclite") else [shutil.which("sctk"), "sclite"]
    if program[0] is None:
        pytest.skip("sclite is not installed (Debian's package sctk)")
    for name, texts in zip("rh", zip(*pairs, strict=True), strict=True):
        write_trn(folder / name, texts)
    options = [*["-F"] * leniency.fragments, *["-D"] * leniency.optional]
    command = [*map(str, program), "-r", "r", "trn", "-h", "h", "trn", "-i", "spu_id", "-o", "pra", "stdout", "-f", "0"]
    told = subprocess.run([*command, *options], cwd=folder, capture_output=True, check=True).stdout.decode(
        errors="replace"
    )
    ids = re.findall(r"^id: \(s_(\d+)\)", told, re.MULTILINE)
    scores = re.findall(r"^Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", told, re.MULTILINE)
    found = {int(row): tuple(map(int, numbers)) for row, numbers in zip(ids, scores, strict=True)}
    return [found[row] for row in range(len(pairs))]


@pytest.mark.parametrize(("case", "leniency"), CASES)
def test_the_counts_are_those_of_sclite(case: tuple[str, str, Counts], leniency: Leniency, tmp_path: Path) -> None:
    assert count(tmp_path, [case[:2]], leniency) == [case[2]]


@pytest.mark.parametrize(
    "leniency", [Leniency(), Leniency(fragments=True), Leniency(False, True), Leniency(True, True)]
)
def test_the_counts_are_those_of_the_installed_sclite(leniency: Leniency, tmp_path: Path) -> None:
    pairs = [case[:2] for case, allowed in CASES if allowed == leniency]
    assert ask_sclite(tmp_path, pairs, leniency) == count(tmp_path, pairs, leniency)


def draw(rng: random.Random, vocabulary: Sequence[str], most: int) -> str:
    return " ".join(rng.choices(vocabulary, k=rng.randint(0, most)))


def draw_alternatives(rng: random.Random, depth: int = 0) -> str:
    parts: list[str] = []
    for _ in range(rng.randint(min(depth, 1), 2 if depth else 5)):
        if rng.random() < 0.3 and depth < 2:
            ways = [draw_alternatives(rng, depth + 1) or "@" for _ in range(rng.randint(1, 3))]
            parts.append("{ " + " / ".join(ways) + " }")
        else:
            parts.append(rng.choice("abcd@"))
    return " ".join(parts)


MARKED = [
    "a",
    "b",
    "c",
    "A",
    "é",
    "É",
    "a\u00a0b",
    "c\u3000",
    "d;x",
    "e\\;f",
    "b*",
    "\\c",
    "a/b",
    "x-",
    "(a",
    "a)",
    "(a)",
]
PARTS = ["ab", "abc", "ab-", "-bc", "-c", "(ab)", "(abc)", "(ab-)", "bc", "a-", "-", "x", "(-bc)"]


@pytest.mark.parametrize(
    ("name", "leniency", "most", "pairs"),
    [
        ("words", Leniency(), 18, 4000),
        ("marks", Leniency(), 8, 3200),
        ("alternatives", Leniency(), 0, 1000),
        ("parts", Leniency(fragments=True), 8, 600),
        ("parts", Leniency(optional=True), 8, 600),
        ("parts", Leniency(fragments=True, optional=True), 8, 600),
    ],
)
def test_ten_thousand_random_texts_are_counted_as_the_installed_sclite_counts(
    name: str, leniency: Leniency, most: int, pairs: int, tmp_path: Path
) -> None:
    rng = random.Random(f"{name} {leniency}")
    vocabulary = {"words": list("abcde"), "marks": MARKED, "parts": PARTS}.get(name)
    drawn = [draw(rng, vocabulary, most) if vocabulary else draw_alternatives(rng) for _ in range(2 * pairs)]
    texts = list(zip(drawn[::2], drawn[1::2], strict=True))
    assert ask_sclite(tmp_path, texts, leniency) == count(tmp_path, texts, leniency)


def test_ids_that_differ_in_the_case_of_ascii_are_one_to_sclite(tmp_path: Path) -> None:
    reference, heard = tmp_path / "r.trn", tmp_path / "h.trn"
    reference.write_text("a (Anna_1)\n")
    heard.write_text("a (anna_1)\n")
    files = TextFile(reference, "r"), [TextFile(heard, "h")]
    scoring = score_files(*files, Options(method=Method("sclite")))
    assert [(u.id, u.speaker) for u in scoring.utterances] == [("Anna_1", "Anna")]
    with pytest.raises(UserError, match="Some differ in case alone; --alignment sclite takes these for one"):
        score_files(*files, Options())
    heard.write_text("a (anna_1)\nb (ANNA_1)\n")
    with pytest.raises(UserError, match="utterance id 'ANNA_1' was already, written 'anna_1', at"):
        score_files(*files, Options(method=Method("sclite")))


def test_sclite_may_count_more_errors_than_the_edit_distance() -> None:
    texts = ["c f c b e"], ["b e e d a"]
    assert [align_texts(*texts, method)[1].errors[0] for method in (Method(), Method("sclite"))] == [5, 6]


@given(words, words)
def test_the_quick_alignment_of_plain_words_is_that_of_graphs(said: list[str], heard: list[str]) -> None:
    texts = ["x", *said, "y"], ["x", *heard, "y"]
    quick, whole = align_words(*texts), align_graphs(*map(linear_graph, texts), SCLITE).words
    assert sorted(word.kind for word in quick) == sorted(word.kind for word in whole)
    for alignment in (quick, whole):
        assert [word.reference for word in alignment if word.reference is not None] == texts[0]
        assert [word.hypothesis for word in alignment if word.hypothesis is not None] == texts[1]


def parse(text: str, where: str = "here") -> str | WordGraph:
    return parse_alternatives(text, where, str.split, list)


def cost(alignment: Sequence[AlignedWord], costs: Costs) -> float:
    price = {"hit": 0, "sub": costs.substitution, "del": costs.gap, "ins": costs.gap}
    return float(sum(price[word.kind] for word in alignment))


@given(st.lists(st.lists(words, min_size=1, max_size=3), max_size=3), words, st.sampled_from([LEVENSHTEIN, SCLITE]))
def test_no_reading_fits_better_than_the_one_taken(
    places: list[list[list[str]]], heard: list[str], costs: Costs
) -> None:
    text = " ".join("{ " + " / ".join(" ".join(a) or "@" for a in place) + " }" for place in places)
    readings: list[list[str]] = [[]]
    for place in places:
        readings = [[*reading, *alternative] for reading in readings for alternative in place]
    graph = parse(text)
    found = align_graphs(linear_graph([]) if isinstance(graph, str) else graph, linear_graph(heard), costs).words
    weights = (int(costs.gap), int(costs.gap), int(costs.substitution))
    assert cost(found, costs) == min(Levenshtein.distance(reading, heard, weights=weights) for reading in readings)
    assert [word.reference for word in found if word.reference is not None] in readings
    assert [word.hypothesis for word in found if word.hypothesis is not None] == heard


def test_with_fewest_errors_the_chosen_reading_is_scored_as_if_it_were_the_only_one() -> None:
    texts, totals = align_texts([parse("{ going to / gonna } go")], ["gonna goo"], Method())
    assert texts[0].reference == "gonna go"
    assert totals.words.tolist() == [[1, 0, 0, 1]]
    assert totals.letters.tolist() == [[1, len("gonna go")]]


def test_a_fragment_is_shown_as_the_word_it_is_part_of_and_an_optional_word_as_it_was_said() -> None:
    texts, totals = align_texts(["fr- (uh) (um) me"], ["from um me"], Method("sclite", Leniency(True, True)))
    assert (texts[0].reference, texts[0].hypothesis) == ("from um me", "from um me")
    assert totals.words.tolist() == [[0, 0, 0, 4]]


def test_each_stretch_of_words_is_normalised() -> None:
    def clean(stretch: Sequence[str]) -> list[str]:
        return " ".join(stretch).replace("-", " ").upper().split()

    assert parse_alternatives("a-b c", "here", str.split, clean) == "A B C"
    graph = parse_alternatives("{ a-b / c / - } d @", "here", str.split, clean)
    assert [align_texts([graph], [text], Method())[1].errors[0] for text in ("A B D", "D", "E D")] == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a { b / c", "'{' without its '}'"),
        ("a } b", "'}' without its '{'"),
        ("a { } b", "an alternative is empty"),
        ("a { / b }", "an alternative is empty"),
        ("a { b / { c / } }", "an alternative is empty"),
        (101 * "{ " + "a" + 101 * " }", "more than 100 braces within each other"),
        (3000 * "{" + "a" + 3000 * "}", "more than 100 braces within each other"),
    ],
)
def test_malformed_alternatives_are_named_with_their_place(text: str, message: str) -> None:
    with pytest.raises(UserError, match=r"r\.trn, line 3: ") as raised:
        parse(text, "r.trn, line 3")
    assert message in str(raised.value)


def test_braces_side_by_side_may_be_many() -> None:
    graph = parse(200 * "{ a / @ } " + 100 * "{ " + "b" + 100 * " }")
    assert align_texts([graph], ["a b"], Method())[1].words.tolist() == [[0, 0, 0, 2]]


def test_words_of_sclites_own_files_are_read_as_sclite_does() -> None:
    assert [*map(read_word, ["a;b", "a\\;b", "a*", "*", "\\a", "a*;b", ";", "a\\*"])] == [
        "a",
        "a;b",
        "a",
        "*",
        "a",
        "a",
        "",
        "a",
    ]
    assert split_words(" a\u00a0b\tc\x1c\v\n") == ["a\u00a0b", "c\x1c"]
