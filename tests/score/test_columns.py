import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.score.columns import merge_alignments
from asr.score.wer import align

texts = st.lists(st.sampled_from("abc"), max_size=7).map(" ".join)


def test_inserted_words_get_columns_of_their_own() -> None:
    columns = merge_alignments([align("a b", "x a b"), align("a b", "a c"), align("a b", "a b y z")])
    assert columns == [
        (None, "x", None, None),
        ("a", "a", "a", "a"),
        ("b", "b", "c", "b"),
        (None, None, None, "y"),
        (None, None, None, "z"),
    ]


@given(texts, texts, texts)
def test_each_row_of_the_columns_is_its_text(reference: str, first: str, second: str) -> None:
    columns = merge_alignments([align(reference, first), align(reference, second)])
    for row, text in enumerate((reference, first, second)):
        assert [column[row] for column in columns if column[row] is not None] == text.split()


def test_alignments_of_different_references_are_refused() -> None:
    with pytest.raises(ValueError, match="different references"):
        merge_alignments([align("a", "a"), align("b", "a")])
