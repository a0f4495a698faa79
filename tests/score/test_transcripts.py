import gzip
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


def test_a_gzipped_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    content = gzip.compress("a ÉTÉ\nb\n".encode())
    for name in ("r.trans.txt.gz", "r.trans.txt"):
        (tmp_path / name).write_bytes(content)
        assert read_transcripts(tmp_path / name) == {"a": "ÉTÉ", "b": ""}
    (tmp_path / "r.gz").write_bytes(content[:-9])
    with pytest.raises(UserError, match=r"r\.gz: cannot read transcripts"):
        read_transcripts(tmp_path / "r.gz")


def test_files_joined_to_one_leave_marks_where_lines_begin_and_these_are_no_part_of_ids(tmp_path: Path) -> None:
    path, mark = tmp_path / "r.trans.txt", b"\xef\xbb\xbf"
    path.write_bytes(mark + b"a ONE\n" + mark + mark + b"b TWO\n" + mark)
    assert read_transcripts(path) == {"a": "ONE", "b": "TWO"}
    path.write_bytes(mark + b"a ONE\nc THREE" + mark + b"b TWO\n")
    with pytest.raises(UserError, match=r"line 2: a byte-order mark within the line, as where a file was joined"):
        read_transcripts(path)


def test_white_space_that_is_no_blank_belongs_to_the_text(tmp_path: Path) -> None:
    path = tmp_path / "r.trans.txt"
    path.write_text("a \u00a0ONE\u3000 \nb\tTWO\n", encoding="utf-8")
    assert read_transcripts(path) == {"a": "\u00a0ONE\u3000", "b": "TWO"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a ONE\n\na TWO\n", "line 3: utterance id 'a' occurs twice"),
        (b"a ONE\n TWO\n", "line 2: begins with a blank"),
        (b"a ONE\nb \xff\n", "line 2: not UTF-8"),
        (b"a ONE\n" * 900 + b"b \xe9t\xe9\n" + b"c TWO\n" * 99, "line 901: not UTF-8"),
        ("a ONE\n".encode("utf-16"), "line 1: UTF-16, not UTF-8 text"),
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
