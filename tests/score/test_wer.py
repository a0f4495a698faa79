import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.score.wer import AlignedWord, ErrorCounts, align, count_errors

# Few words, so that many alignments tie, some sharing letters, so that characters tie as well.
texts = st.lists(st.sampled_from(["A", "AB", "BA", "IT'S", "ÉTÉ", "C"]), max_size=9).map(" ".join)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)


def total(counts: list[ErrorCounts]) -> ErrorCounts:
    return sum(counts, ErrorCounts())


@given(pairs)
def test_word_counts_are_those_of_jiwer(rows: list[tuple[str, str]]) -> None:
    references, hypotheses = map(list, zip(*rows, strict=True))
    found, theirs = (
        total(count_errors(references, hypotheses, "word")),
        jiwer.process_words(references, hypotheses),
    )
    expected = ErrorCounts(theirs.substitutions, theirs.deletions, theirs.insertions, theirs.hits)
    assert found == expected
    assert found.rate == theirs.wer


@given(pairs)
def test_character_counts_are_those_of_jiwer(rows: list[tuple[str, str]]) -> None:
    references, hypotheses = map(list, zip(*rows, strict=True))
    found = total(count_errors(references, hypotheses, "char"))
    theirs = jiwer.process_characters(references, hypotheses)
    expected = ErrorCounts(theirs.substitutions, theirs.deletions, theirs.insertions, theirs.hits)
    assert found == expected
    assert found.rate == theirs.cer


@given(texts, texts)
def test_an_alignment_holds_both_texts_and_the_counted_errors(reference: str, hypothesis: str) -> None:
    columns = align(reference, hypothesis)
    assert [c.reference for c in columns if c.reference is not None] == reference.split()
    assert [c.hypothesis for c in columns if c.hypothesis is not None] == hypothesis.split()
    kinds = [c.kind for c in columns]
    counts = ErrorCounts(kinds.count("sub"), kinds.count("del"), kinds.count("ins"), kinds.count("hit"))
    assert [counts] == count_errors([reference], [hypothesis], "word")
    assert all((c.reference == c.hypothesis) == (c.kind == "hit") for c in columns)


def test_the_four_kinds_are_told_apart() -> None:
    assert align("THE CAT SAT DOWN", "THE BAT SAT DOWN NOW") == [
        AlignedWord("hit", "THE", "THE"),
        AlignedWord("sub", "CAT", "BAT"),
        AlignedWord("hit", "SAT", "SAT"),
        AlignedWord("hit", "DOWN", "DOWN"),
        AlignedWord("ins", None, "NOW"),
    ]
    assert align("A B", "A") == [AlignedWord("hit", "A", "A"), AlignedWord("del", "B", None)]


def test_counts_come_back_per_utterance_and_in_order() -> None:
    counts = count_errors(["A B", "C", ""], ["A", "C D", ""], "word")
    assert counts == [ErrorCounts(deletions=1, hits=1), ErrorCounts(insertions=1, hits=1), ErrorCounts()]


def test_a_corpus_rate_is_the_ratio_of_sums() -> None:
    # The mean of the two rates would be 0.5.
    assert total(count_errors(["A", "A B C"], ["B", "A B C"], "word")).rate == 0.25


def test_insertions_into_an_empty_reference_are_not_hidden() -> None:
    assert count_errors([""], ["A B"], "word")[0].rate == 2.0
    assert count_errors([""], [""], "word")[0].rate == 0.0


def test_blanks_around_and_between_words_do_not_count() -> None:
    assert count_errors([" A  B\t"], ["A B"], "char") == [ErrorCounts(hits=3)]


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        count_errors(["A", "B"], ["A"], "word")
