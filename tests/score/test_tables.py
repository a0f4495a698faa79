"""Tables as programs write them, whose quotes are text in some and not in others."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.score.formats import read_texts

TEXTS = {
    "a": 'he said "hi" twice',
    "b": '"quoted"',
    "c": "tab\there",
    "d": "one\nline",
    "e": "plain, with a comma",
    "f": "",
}


def read(path: Path, form: str | None = None) -> dict[str, str]:
    return {line.id: line.text for line in read_texts(path, form).lines}


def as_pandas(texts: dict[str, str], quoting: int = csv.QUOTE_MINIMAL) -> str:
    """What `DataFrame.to_csv(sep="\\t", index=False)` writes, by Python's own writer as pandas does."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", quoting=quoting, lineterminator="\n")
    writer.writerows([["id", "text"], *texts.items()])
    return out.getvalue()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quotes_that_a_program_wrote_are_taken_off(tmp_path: Path, quoting: int) -> None:
    path = tmp_path / "h.tsv"
    path.write_text(as_pandas(TEXTS, quoting))
    assert read(path) == TEXTS
    # As Excel saves "Unicode" text after conversion: Windows' line ends and a mark in front.
    path.write_bytes(b"\xef\xbb\xbf" + as_pandas(TEXTS, quoting).replace("\n", "\r\n").replace("one\r", "one").encode())
    assert read(path) == TEXTS


def test_quotes_that_are_text_stay(tmp_path: Path) -> None:
    texts = {"a": '"I see," he said.', "b": '"Well', "c": 'and so on"', "d": '"Whole."', "e": 'x "y" z'}
    path = tmp_path / "h.tsv"
    path.write_text("id\ttext\n" + "".join(f"{name}\t{text}\n" for name, text in texts.items()))
    assert read(path) == texts
    # Here a row would go lost silently if the quotes were read as a program's.
    path.write_text('id\ttext\na\t"Well\nb\tand so on"\nc\tx "y"\n')
    with pytest.raises(UserError, match=r"h\.tsv, line 2: a text in quotes, which are part of it or"):
        read(path)
    assert read(path, "tsv-plain") == {"a": '"Well', "b": 'and so on"', "c": 'x "y"'}
    path.write_text('id\ttext\na\t"x" y\n')
    assert read(path) == {"a": '"x" y'}


def test_where_quotes_may_be_either_the_format_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "h.tsv"
    path.write_text('id\ttext\na\tplain\nb\t"Hello, you"\n')
    with pytest.raises(UserError, match=r"h\.tsv, line 3: a text in quotes.* --ref-format tsv-quoted or"):
        read(path)
    assert read(path, "tsv-quoted") == {"a": "plain", "b": "Hello, you"}
    assert read(path, "tsv-plain") == {"a": "plain", "b": '"Hello, you"'}


def test_semicolons_part_cells_where_the_comma_is_a_decimal_point(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('id;text;wer\na;"x; y";0,5\n')
    assert read(path) == {"a": "x; y"}


def test_a_table_is_known_by_its_header_too(tmp_path: Path) -> None:
    for name, content in (("a.txt", "path\tsentence\na\tb c\n"), ("b.txt", "id,text\na,b c\n")):
        (tmp_path / name).write_text(content)
        assert read(tmp_path / name) == {"a": "b c"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\ttext\n" + "a\tb\n" * 3 + "c\n" + "d\te\n", "line 5: 1 columns, where the header has 2"),
        ('id,text\na,b\nc,"d\ne,f\n', "line 3: not a table"),
    ],
)
def test_one_bad_line_of_many_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / ("h.tsv" if "\t" in content else "h.csv")
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read(path)
