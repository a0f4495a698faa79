import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from asr.errors import UserError
from asr.score.scoring import score_text
from asr.score.trn import LEVENSHTEIN, SCLITE, Costs, align_graph, align_sclite, linear_graph, parse_reference
from asr.score.wer import AlignedWord, ErrorCounts, count_columns

# Hits, substitutions, deletions, insertions, as NIST's sclite 2.10 (SCTK 2.4.10) counted them, run once with
# `sclite -r REF trn -h HYP trn -i spu_id -o pra`.
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
    # Words are compared whole.
    ("i am not", "i'm not", (1, 1, 1, 0)),
    ("uh huh", "uh-huh", (0, 1, 1, 0)),
    ("(uh) hello", "hello", (1, 0, 1, 0)),
    ("hello (uh)", "hello uh", (1, 1, 0, 0)),
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
]

words = st.lists(st.sampled_from("abc"), max_size=5)


def counts(hits: int, substitutions: int, deletions: int, insertions: int) -> ErrorCounts:
    return ErrorCounts(substitutions, deletions, insertions, hits)


@pytest.mark.parametrize(("reference", "hypothesis", "expected"), SCLITE_COUNTS)
def test_the_counts_are_those_of_sclite(reference: str, hypothesis: str, expected: tuple[int, int, int, int]) -> None:
    graph = parse_reference(reference, "here")
    assert score_text(graph, hypothesis, "sclite").words == counts(*expected)


def test_sclite_may_count_more_errors_than_the_edit_distance() -> None:
    least = score_text("c f c b e", "b e e d a", "levenshtein").words
    assert (least.errors, score_text("c f c b e", "b e e d a", "sclite").words.errors) == (5, 6)


@given(words, words)
def test_equal_ends_do_not_change_an_alignment_at_sclites_costs(said: list[str], heard: list[str]) -> None:
    quick = align_sclite(["x", *said, "y"], ["x", *heard, "y"])
    whole = align_graph(linear_graph(["x", *said, "y"]), ["x", *heard, "y"], SCLITE)
    assert count_columns(quick, len(said) + 2) == count_columns(whole, len(said) + 2)


def cost(alignment: list[AlignedWord], costs: Costs) -> int:
    price = {"hit": 0, "sub": costs.substitution, "del": costs.deletion, "ins": costs.insertion}
    return sum(price[word.kind] for word in alignment)


@given(st.lists(st.lists(words, min_size=1, max_size=3), max_size=3), words, st.sampled_from([LEVENSHTEIN, SCLITE]))
def test_no_reading_fits_better_than_the_one_taken(
    places: list[list[list[str]]], heard: list[str], costs: Costs
) -> None:
    text = " ".join("{ " + " / ".join(" ".join(a) or "@" for a in place) + " }" for place in places)
    readings = [[]]
    for place in places:
        readings = [[*reading, *alternative] for reading in readings for alternative in place]
    graph = parse_reference(text, "here")
    found = align_graph(graph if not isinstance(graph, str) else linear_graph(graph.split()), heard, costs)
    weights = (costs.insertion, costs.deletion, costs.substitution)
    assert cost(found, costs) == min(Levenshtein.distance(reading, heard, weights=weights) for reading in readings)
    assert [word.reference for word in found if word.reference is not None] in readings
    assert [word.hypothesis for word in found if word.hypothesis is not None] == heard


def test_with_fewest_errors_the_chosen_reading_is_scored_as_if_it_were_the_only_one() -> None:
    scored = score_text(parse_reference("{ going to / gonna } go", "here"), "gonna goo", "levenshtein")
    assert scored.reference == "gonna go"
    assert scored.words == ErrorCounts(substitutions=1, hits=1)
    assert scored.characters.reference_length == len("gonna go")


def test_each_stretch_of_words_is_normalised() -> None:
    assert parse_reference("a-b @ c", "here", lambda text: text.replace("-", " ").upper()) == "A B C"
    graph = parse_reference("{ a-b / c } d", "here", lambda text: text.replace("-", " ").upper())
    assert score_text(graph, "A B D", "levenshtein").words == ErrorCounts(hits=3)


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
        parse_reference(text, "r.trn, line 3")
    assert message in str(raised.value)


def test_braces_side_by_side_may_be_many() -> None:
    graph = parse_reference(200 * "{ a / @ } " + 100 * "{ " + "b" + 100 * " }", "here")
    assert score_text(graph, "a b", "levenshtein").words == ErrorCounts(hits=2)
