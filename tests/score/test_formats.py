import gzip
import json
import os
from pathlib import Path

import pytest

from asr.errors import UserError
from asr.score.files import Options, TextFile, score_files
from asr.score.formats import FORMATS, read_texts, shorten_id
from asr.score.lines import FIELDS, Fields, TextLine


def read(path: Path, fields: Fields = FIELDS) -> dict[str, str]:
    return {line.id: line.text for line in read_texts(path, fields=fields).lines}


EXPECTED = {"s1-a": "hello there", "s2-b": ""}
CONTENTS = {
    "h.trans.txt": "s1-a hello there\ns2-b\n",
    "text": "s1-a hello there\ns2-b\n",
    "h.txt": "s1-a hello there\ns2-b \n",
    "h.jsonl": '{"id": "s1-a", "text": "hello there"}\n\n{"id": "s2-b", "text": ""}\n',
    "lines": '{"utt_id": "s1-a", "sentence": "hello there"}\n{"utt_id": "s2-b", "sentence": ""}\n',
    "h.csv": 'text,id\r\n"hello there",s1-a\r\n,s2-b\r\n',
    "h.tsv": "path\tsentence\ns1-a\thello there\ns2-b\t\n",
    "h.trn": ";; a comment\nhello there (s1-a)\n(s2-b)\n",
    "h.any": "hello there (s1-a)\n (s2-b)\n",
    "recogs": "s1-a:\tref=['hello', 'there']\ns1-a:\thyp=['x']\ns2-b:\tref=[]\ns2-b:\thyp=[]\n",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_is_recognized_and_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENTS[name].encode())
    assert read(tmp_path / name) == EXPECTED


def test_no_format_goes_untested(tmp_path: Path) -> None:
    found = set()
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content.encode())
        found.add(read_texts(tmp_path / name).form)
    # Those with times have other ids, and those that quote or do not are told by hand; they have tests below.
    assert found == set(FORMATS) - {"stm", "ctm", "tsv-quoted", "tsv-plain"}


def test_a_librispeech_tree_gives_subsets_by_its_folders(tmp_path: Path) -> None:
    for subset, speaker in (("dev-clean", "84"), ("dev-other", "116")):
        folder = tmp_path / "LibriSpeech" / subset / speaker / "1"
        folder.mkdir(parents=True)
        (folder / f"{speaker}-1.trans.txt").write_text(f"{speaker}-1-0 HELLO\n")
    tree = tmp_path / "LibriSpeech"
    lines = read_texts(tree).lines
    assert [(line.id, line.subset) for line in lines] == [("84-1-0", "dev-clean"), ("116-1-0", "dev-other")]
    assert [line.subset for line in read_texts(tree / "dev-other").lines] == ["dev-other"]


def test_a_flat_folder_gives_subsets_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "dev.ref.trans.txt").write_text("1-1 A\n")
    assert [line.subset for line in read_texts(tmp_path).lines] == ["dev"]


def test_kaldi_speakers_come_from_utt2spk(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a hello\nb\n")
    (tmp_path / "utt2spk").write_text("a anna\n")
    texts = read_texts(tmp_path)
    assert (texts.form, [line.speaker for line in texts.lines]) == ("kaldi", ["anna", None])


def test_fields_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps({"key": 7, "said": "a", "text": "b", "who": "anna", "split": "dev"}))
    fields = Fields(text=("said",), speaker=("who",))
    assert read_texts(path, fields=fields).lines == [TextLine("7", "a", path, 1, "anna", "dev")]


def test_columns_without_a_header_have_numbers(tmp_path: Path) -> None:
    path = tmp_path / "h.tsv"
    path.write_text('x\t"a" b\ty\n')
    assert read(path, Fields(id=("3",), text=("2",))) == {"y": '"a" b'}


def test_a_quoted_cell_may_hold_commas_and_line_ends_and_the_line_is_still_right(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('id,text\n\na,"one, two\nthree"\nb,four,five\n')
    with pytest.raises(UserError, match="line 5: 3 columns, where the header has 2"):
        read(path)
    path.write_text('id,text\na,"one, two\nthree"\n')
    assert read(path) == {"a": "one, two\nthree"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h.jsonl", "{}\n", "line 1: has none of id, .*; it has nothing. Name the right one with --id-field"),
        ("h.jsonl", '{"id": "a", "words": "b"}\n', "it has 'id', 'words'. Name the right one with --text-field"),
        ("h.jsonl", '{"id": "a", "text": null}\n', "line 1, utterance 'a': the text is None"),
        ("h.jsonl", '{"id": " ", "text": ""}\n', "line 1: the id is ' '"),
        ("h.jsonl", '{"id": "a", "text": "\\ud83d"}\n', "utterance 'a': the text holds half of a surrogate pair"),
        ("h.jsonl", '\n{"id": \n', "line 2: not valid JSON"),
        ("h.jsonl", "[1]\n", "line 1: expected a JSON object"),
        ("h.jsonl", 100_000 * "[", "line 1: not valid JSON"),
        ("h.jsonl", '{"id": [' + 900 * "[" + 900 * "]" + '], "text": ""}', r"line 1: the id is \[\[.{,60}, where"),
        (
            "h.jsonl",
            '{"id": "a", "text": "b", "spk": "\\ud83d"}\n',
            "utterance 'a': the speaker holds half of a surrogate pair",
        ),
        ("h.jsonl", '{"id": "a", "text": "b", "split": ["dev"]}\n', r"the subset is \['dev'\], where"),
        ("h.csv", "id,text,text\na,b,c\n", "line 1: 2 columns are named 'text'; rename all but one"),
        ("h.tsv", "id\tid \ttext\na\tb\tc\n", "line 1: 2 columns are named 'id'"),
        ("h.csv", 'id,text\na,"b\n', "line 2: not a table"),
        ("h.trn", "hello\n", "line 1: does not end with an utterance id in parentheses"),
        ("h.trn", "hello ()\n", "line 1: does not end with an utterance id"),
        ("h.txt", " hello\n", "line 1: begins with a blank"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as raised:
        read(tmp_path / name)
    assert name in str(raised.value)


def test_columns_without_a_name_may_be_many(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("id,text,,\na,b,,\n")
    assert read(path) == {"a": "b"}


@pytest.mark.parametrize("name", ["h.trans.txt", "h.txt", "lines", "h.csv", "h.any"])
def test_a_pipe_is_read_once(name: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, CONTENTS[name].encode())
    os.close(writer)
    form = "csv" if name == "h.csv" else None
    try:
        lines = read_texts(Path(f"/dev/fd/{reader}"), form).lines
    finally:
        os.close(reader)
    assert {line.id: line.text for line in lines} == EXPECTED


def test_an_error_names_the_option_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text('{"utt": "a", "text": "b"}')
    with pytest.raises(UserError, match="Name the right one with --hyp-id-field"):
        read_texts(tmp_path / "h.jsonl", prefix="--hyp-")


def test_folders_without_transcripts_and_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.trans\.txt file in or below"):
        read_texts(tmp_path)
    with pytest.raises(UserError, match="a folder; name the csv file in it"):
        read_texts(tmp_path, "csv")
    with pytest.raises(UserError, match="absent: cannot read"):
        read_texts(tmp_path / "absent")


def test_an_id_is_freed_of_folders_and_of_audio_suffixes_alone() -> None:
    assert [shorten_id(TextLine(name, "", Path(), 1)).id for name in ("/a/b/1-2.flac", "c\\d.WAV", "talk.1")] == [
        "1-2",
        "d",
        "talk.1",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "line 1: captions (WebVTT), which is not read here"),
        ("h", "1\n00:00:00,000 --> 00:00:01,000\nhello\n", "captions (SRT)"),
        ("h", "SPEAKER f 1 0.00 1.00 <NA> <NA> anna <NA> <NA>\n", "speakers without words (RTTM)"),
        ("h", '{\n "id": "a", "text": "b"\n}\n', "JSON over several lines, which is not read here; the formats are"),
        ("h", '[{"id": "a", "text": "b"}]\n', "JSON over several lines"),
        ("h", "<?xml version='1.0'?>\n<a/>\n", "XML or HTML"),
        ("h", "#!MLF!#\n", "a master label file (HTK)"),
        ("h.srt", "a b\n", "a .srt file, which is not read here"),
        ("h.xlsx", "a b\n", "a .xlsx file, which is not read here"),
        ("h.parquet.gz", "a b\n", "which is not read here"),
        ("h", "f 1 0.5 0.1 one\n", "may be kaldi or ctm; name the format with --ref-format or --hyp-format"),
        ("h", "f 1 s 0.5 1 one\n", "may be kaldi or stm; name the format"),
        ("h", "f 1 0 1 2\nf 1 1 1 2\n", "may be stm or ctm; name the format"),
    ],
)
def test_what_is_not_known_is_refused_as_such(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as raised:
        read(tmp_path / name)
    assert message in str(raised.value)
    assert "--duplicates" not in str(raised.value)


def test_files_with_times_are_known_by_their_content_where_their_first_words_repeat(tmp_path: Path) -> None:
    for form, content in (
        ("stm", ";; x\nf 1 s 0.5 1 <o> one two\nf 1 s 1 2\n"),
        ("ctm", "f 1 0.5 .1 one\nf 1 0.6 0.1 two 0.9\n"),
        ("kaldi", "f-1 1 2 3 4\nf-2 one\n"),
    ):
        (tmp_path / form).write_text(content)
        assert read_texts(tmp_path / form).form == form


def test_texts_without_ids_are_refused_as_such(tmp_path: Path) -> None:
    for name in ("r", "h"):
        (tmp_path / name).write_text("the cat sat\nthe dog ran\n")
    with pytest.raises(UserError) as raised:
        score_files(TextFile(tmp_path / "r", "r"), [TextFile(tmp_path / "h", "h")], Options())
    said = str(raised.value)
    assert "r, line 2: begins with 'the' as line 1 does" in said
    assert "(formats were guessed: r as kaldi, h as kaldi; --ref-format and --hyp-format name others)" in said
    assert "--duplicates" not in said
    named = [TextFile(tmp_path / name, name, "kaldi") for name in ("r", "h")]
    with pytest.raises(UserError, match=r"--duplicates first\|last$"):
        score_files(named[0], named[1:], Options())


def test_a_guessed_format_is_named_in_errors_and_a_given_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("id,text\na\n")
    with pytest.raises(UserError, match=r"line 2: 1 columns.* \(read as csv, by its name\)$"):
        read_texts(tmp_path / "h.csv")
    with pytest.raises(UserError, match=r"where the header has 2$"):
        read_texts(tmp_path / "h.csv", "csv")
    (tmp_path / "any").write_text("hello (a)\nhello\n")
    with pytest.raises(UserError, match=r"line 2: does not end with an utterance.* \(read as trn, by its content\)$"):
        read_texts(tmp_path / "any")


def test_a_gzipped_file_has_the_format_of_its_inner_name(tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
        assert read(tmp_path / f"{name}.gz") == EXPECTED


def test_one_bad_line_of_many_is_named(tmp_path: Path) -> None:
    rows = [json.dumps({"id": str(n), "text": "a"}) for n in range(1000)]
    rows[700] = rows[700][:-2]
    (tmp_path / "h.jsonl").write_text("\n".join(rows))
    with pytest.raises(UserError, match=r"h\.jsonl, line 701: not valid JSON"):
        read(tmp_path / "h.jsonl")
