from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UserError
from asr.score.transcripts import read_transcripts, write_transcripts

words = st.text(
    st.characters(exclude_categories=("Cs", "Z", "Cc"), exclude_characters="\ufeff"), min_size=1, max_size=6
)


@given(st.dictionaries(words, st.lists(words, max_size=4).map(" ".join), max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("transcripts") / "deeper" / "a.trans.txt"
    write_transcripts(path, texts)
    assert read_transcripts(path) == texts
    assert list(read_transcripts(path)) == list(texts)
    assert [p.name for p in path.parent.iterdir()] == ["a.trans.txt"]


def test_an_empty_hypothesis_is_its_id_alone(tmp_path: Path) -> None:
    write_transcripts(tmp_path / "h.trans.txt", {"1-2-3": "", "1-2-4": " IT  WAS "})
    assert (tmp_path / "h.trans.txt").read_bytes() == b"1-2-3\n1-2-4 IT WAS\n"


def test_windows_line_ends_tabs_and_empty_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.trans.txt"
    path.write_bytes(b"\xef\xbb\xbfa\tONE TWO\r\n\r\nb \r\n\nc THREE")
    assert read_transcripts(path) == {"a": "ONE TWO", "b": "", "c": "THREE"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a ONE\n\na TWO\n", "line 3: utterance id 'a' occurs twice"),
        (b"a ONE\n TWO\n", "line 2: begins with a blank"),
        (b"a ONE\nb \xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.trans.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_transcripts(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: cannot read transcripts \(No such file"):
        read_transcripts(tmp_path / "absent")


@pytest.mark.parametrize("name", ["", "a b", "a\n"])
def test_an_id_that_could_not_be_read_back_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "h.trans.txt"
    path.write_text("a KEPT\n")
    with pytest.raises(UserError, match="is empty or contains a blank"):
        write_transcripts(path, {"ok": "A", name: "B"})
    assert read_transcripts(path) == {"a": "KEPT"}
