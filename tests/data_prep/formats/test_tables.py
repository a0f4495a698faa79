from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import soundfile
from small_manifests import RATE, ROWS, build, expected, told, tone, write_audio

from asr.errors import UserError
from data_prep.formats.listing import list_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_audio(tmp_path)


def test_csv_and_tsv_with_named_columns_give_the_same_rows(folder: Path) -> None:
    header = ("id", "speaker", "audio_filepath", "offset", "duration", "text")
    for separator, name in ((",", "in.csv"), ("\t", "in.tsv")):
        lines = [separator.join(map(str, row)) for row in (header, *ROWS)]
        (folder / name).write_text("\ufeff" + "\r\n".join(lines) + "\r\n")
        assert told(folder, build(folder, name)[0]) == expected()
    ends = [f"{r[0]},{r[1]},{r[2]},{r[3]},{r[3] + r[4]:.7f},{r[5]}" for r in ROWS]
    (folder / "ends.csv").write_text("\n".join(["utt_id,speaker_id,path,begin,end,sentence", *ends]) + "\n")
    assert told(folder, build(folder, "ends.csv")[0]) == expected()


@pytest.mark.parametrize(
    "header",
    ["start_time,end_time,dur", "begin_time,stop,duration", "begin,end,dur_s", "Start_Seconds,End_Sec,Duration_s"],
)
def test_times_have_many_names_and_suffixes_any_case(folder: Path, header: str) -> None:
    # Rounded to milliseconds, each for itself, beside text that is about no time.
    lines = [f"path,{header},ending,duration_ms,starter", "talk.flac,0.5,1.75,1.251,A,9,B", "talk.flac,2,,0.5,A,9,B"]
    for name, separator in (("IN.CSV", ","), ("IN.TSV", "\t")):
        (folder / name).write_text("\n".join(line.replace(",", separator) for line in lines) + "\n")
        found = [(s.offset, s.seconds) for s in list_manifest(folder / name).sources]
        assert found == [(0.5, 1.25), (2.0, 0.5)]


def test_semicolons_part_columns_where_the_comma_is_a_decimal_point(folder: Path) -> None:
    lines = ["id;speaker;path;offset;duration;text"]
    lines += [";".join(str(v).replace(".", ",") if isinstance(v, float) else str(v) for v in row) for row in ROWS]
    (folder / "in.csv").write_text("\n".join(lines) + "\n")
    assert told(folder, build(folder, "in.csv")[0]) == expected()


def test_quotes_commas_and_line_feeds_are_read_as_spreadsheets_and_pandas_write_them(folder: Path) -> None:
    (folder / "in.csv").write_text('Text,File\n"WELL, SAID ""ONE""\nTWO",talk.flac\n\nTHREE,deep/call.mp3\n')
    assert [u.text for u in build(folder, "in.csv")[0]] == ["THREE", "WELL SAID ONE TWO"]
    (folder / "in.tsv").write_text('text\tfile\n"SAID ""ONE"" TWO"\ttalk.flac\n"ONE" TWO\tdeep/call.mp3\n')
    assert [u.text for u in build(folder, "in.tsv")[0]] == ["ONE TWO", "SAID ONE TWO"]
    (folder / "in.tsv").write_text('text\tfile\n"One" and "two"\ttalk.flac\n"SAID ""ONE"""\tdeep/call.mp3\n')
    found = [source.text for source in list_manifest(folder / "in.tsv").sources]
    assert found == ['SAID "ONE"', '"One" and "two"']


def test_common_voice_is_read_as_it_comes(folder: Path) -> None:
    (folder / "cv" / "clips").mkdir(parents=True)
    soundfile.write(folder / "cv" / "clips" / "common_voice_en_1.mp3", tone(2), RATE)
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\tdown_votes\tage\tlocale\tsegment"
    row = "a0b1\tcommon_voice_en_1.mp3\tx\tHello, world.\t2\t0\t\ten\t"
    (folder / "cv" / "train.tsv").write_text(f"{header}\n{row}\n")
    (found,) = build(folder, "cv/train.tsv")[0]
    assert (found.id, found.speaker, found.text, found.duration) == (
        "common_voice_en_1",
        "a0b1",
        "HELLO WORLD",
        2.0,
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "in.csv",
            "text,name\nA,b\n",
            "line 1: no column of audio files among text, name; call it one of audio_filepath",
        ),
        ("in.csv", "path,text,sentence\na,b,c\n", "columns 'text' and 'sentence' both may be the text; rename one"),
        ("in.csv", "path,text\na\n", r"in\.csv, line 2: 1 fields, where the first line names 2 columns"),
        ("in.tsv", "path\ttext\na\tb\tc\n", r"in\.tsv, line 2: 3 fields, where the first line names 2 columns"),
        ("in.csv", 'path,text\na,"b" c\n', r"in\.csv, line 2: not valid CSV"),
        ("in.csv", "path,text\n,b\n", "line 2: the column 'path' is empty"),
        ("in.csv", "", "in.csv: empty; its first line must name the columns"),
        ("in.tsv", "\n\n", "in.tsv: empty; its first line must name the columns"),
        ("in.csv", "path,duration\na,3 s\n", "line 2: field 'duration' must be a number of seconds"),
        ("in.csv", "path,start,end\na,3,2\n", "line 2: ends at 2 s, and begins at 3 s"),
        ("in.csv", 'path,start,end\na,1,"2,5"\n', "must be a number of seconds, at least 0; found '2,5'"),
        ("in.csv", "path,start,end\na,1,x\n", "line 2: field 'end' must be a number of seconds, at least 0; found 'x'"),
        ("in.csv", "path,start,end,dur\na,1,3,2.1\n", "begins at 1 s, ends at 3 s, and 'dur' is 2.1 s"),
        (
            "in.csv",
            "path,start_ms,end_ms\na,1,2\n",
            "line 1: 'start_ms', 'end_ms': times that are not read",
        ),
        ("in.csv", "path,onset,duration\na,1,2\n", "line 1: 'onset': times that are not read"),
        ("in.csv", "path,start,duration[ms]\na,1,2\n", r"line 1: 'duration\[ms\]': times that are not read"),
        ("in.csv", "path,Segment Start\na,1\n", "line 1: 'Segment Start': times that are not read"),
        ("in.csv", "path,start,start_time\na,1,1\n", "columns 'start' and 'start_time' both may be the offset"),
        ("in.csv", "path,channel\na,left\n", "line 2: channel must be a number from 1; found 'left'"),
        ("in.csv", b"path,text\na,caf\xe9\n", "line 2: not UTF-8 text"),
    ],
)
def test_a_table_that_is_not_as_it_should_be_is_named(
    folder: Path, name: str, content: str | bytes, message: str
) -> None:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        list_manifest(folder / name)


def write_parquet(path: Path, rows: int = 5, group: int = 2, **more: list[object]) -> None:
    """As `datasets` writes it: audio is bytes and a name."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    audio = []
    for row in range(rows):
        soundfile.write(path.parent / "x.flac", tone(1 + row / 10), RATE)
        audio.append({"bytes": (path.parent / "x.flac").read_bytes(), "path": f"{path.stem}-{row}.flac"})
    (path.parent / "x.flac").unlink()
    columns = {"audio": audio, "sentence": [f"WORD {row}" for row in range(rows)], "speaker_id": list(range(rows))}
    kinds = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({**columns, **more, "audio": pa.array(audio, kinds)})
    if path.suffix.lower() == ".parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=group)
        return
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=group):
            writer.write_batch(batch)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("data/train-00000-of-00001.parquet", "data"),
        ("data/train-00000-of-00001.parquet", "data/train"),
        ("data/train-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"),
        ("saved/data-00000-of-00001.arrow", "saved"),
    ],
)
def test_a_hugging_face_dataset_is_read_with_its_audio(folder: Path, file: str, name: str) -> None:
    write_parquet(folder / file)
    rows, table = build(folder, name)
    stem = Path(file).stem
    assert [(u.id, u.speaker, u.text, u.duration) for u in rows] == [
        (f"{stem}-{row}", str(row), f"WORD {row}", 1 + row / 10) for row in range(5)
    ]
    assert all(u.audio_filepath.startswith(str(folder / "cache")) for u in rows)
    assert "left out, " not in table


def test_ids_of_a_dataset_are_taken_and_a_row_without_audio_is_named(folder: Path) -> None:
    write_parquet(folder / "d" / "a.parquet", id=[7, 8, 9, 10, 11])
    rows, _ = build(folder, "d")
    assert [u.id for u in rows] == ["10", "11", "7", "8", "9"]
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / "d" / "a.parquet")
    audio = table["audio"].to_pylist()
    audio[3]["bytes"] = None
    table = table.set_column(0, "audio", pa.array(audio, table["audio"].type))
    pyarrow.parquet.write_table(table, folder / "d" / "a.parquet")
    rows, text = build(folder, "d")
    assert [u.id for u in rows] == ["11", "7", "8", "9"]
    assert "left out, no audio in it: 1" in text


def test_times_of_a_dataset_are_of_what_its_audio_was_cut_from_and_its_length_is_held_against_it(folder: Path) -> None:
    """As GigaSpeech and AMI have them."""
    times = {"begin_time": [70.25, 80.0, 90.0], "end_time": [71.25, 83.0, None], "start_ms": [1, 2, 3]}
    write_parquet(folder / "d" / "A.PARQUET", rows=3, **times, channel=[1, 1, 1])
    found = [(s.id, s.offset, s.seconds, s.claim, s.channel) for s in list_manifest(folder / "d").sources]
    assert found == [("A-0-1", 0.0, None, 1.0, 1), ("A-1-1", 0.0, None, 3.0, 1), ("A-2-1", 0.0, None, None, 1)]
    rows, table = build(folder, "d")
    assert [(u.id, u.duration) for u in rows] == [("A-0-1", 1.0), ("A-2-1", 1.2)]
    assert "left out, length differs: 1" in table


def test_of_columns_of_paths_and_audio_the_audio_is_read_and_a_path_alone_is_named(folder: Path) -> None:
    """As LibriSpeech (file), Common Voice (path) and VoxPopuli (normalized_text) have them."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    bytes_of = (folder / "talk.flac").read_bytes()
    audio = pa.array(
        [{"bytes": bytes_of, "path": "one.flac"}, {"bytes": None, "path": "beside.flac"}],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    for other in ("file", "path"):
        columns = {other: ["/gone/one.flac", "/gone/two.flac"], "audio": audio, "normalized_text": ["ONE", "TWO"]}
        pyarrow.parquet.write_table(pa.table(columns), folder / "d.parquet")
        rows, table = build(folder, "d.parquet")
        assert [(u.id, u.text, u.duration) for u in rows] == [("one", "ONE", 4.0)]
        assert "left out, no audio in it: 1" in table
        assert "the path 'beside.flac'; embed it, or list paths in a CSV file" in table
    pyarrow.parquet.write_table(pa.table({"first": audio, "second": audio}), folder / "d.parquet")
    with pytest.raises(UserError, match=r"several columns hold audio \(first, second\)"):
        list_manifest(folder / "d.parquet")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"start": [0.0, math.nan]}, "row 2: field 'start' must be a number of seconds, at least 0; found nan"),
        ({"duration": [1.0, -1.0]}, "row 2: field 'duration' must be a number of seconds, at least 0; found -1.0"),
        ({"end": ["1", "late"]}, "row 2: field 'end' must be a number of seconds, at least 0; found 'late'"),
        ({"start": [[0.0], [1.0]]}, "row 1: field 'start' must be a number of seconds"),
        ({"start": [0.0, 2.0], "end": [1.0, 1.0]}, "row 2: ends at 1 s, and begins at 2 s"),
        ({"sentence": [["A"], ["B", "C"]]}, r"row 1: field 'sentence' must be text, found \['A'\]"),
        ({"channel": [1, 0]}, "row 2: channel must be a number from 1; found 0"),
    ],
)
def test_a_row_of_a_dataset_that_is_not_as_it_should_be_is_named(
    folder: Path, more: dict[str, list[object]], message: str
) -> None:
    write_parquet(folder / "d.parquet", rows=2, group=1, **more)
    with pytest.raises(UserError, match=rf"d\.parquet(, |: ){message}"):
        list_manifest(folder / "d.parquet")


def test_splits_in_one_folder_are_not_chosen_from_and_other_columns_are_no_audio(folder: Path) -> None:
    for split in ("test", "train"):
        write_parquet(folder / "d" / f"{split}-00000-of-00001.parquet", rows=1)
    with pytest.raises(UserError, match=r"several splits \(test, train\); name one as the subset, such as .*d/test"):
        list_manifest(folder / "d")
    assert len(list_manifest(folder / "d" / "train").sources) == 1
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"audio": ["a.wav"]}), folder / "paths.parquet")
    with pytest.raises(UserError, match=r"no column holds audio, which has bytes and a path; found audio \(string\)"):
        list_manifest(folder / "paths.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"broken\.parquet: cannot be read"):
        list_manifest(folder / "broken.parquet")


def test_without_the_package_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r'pip install "kappa-asr\[pyarrow\]"'):
        list_manifest(folder / "a.parquet")


def test_what_is_no_manifest_names_those_that_are(folder: Path) -> None:
    with pytest.raises(UserError, match=r"gone: no such manifest; expected NeMo's JSON lines, a Kaldi data folder"):
        list_manifest(folder / "gone")
    with pytest.raises(UserError, match="deep: no manifest in this folder; expected NeMo's"):
        list_manifest(folder / "deep")
