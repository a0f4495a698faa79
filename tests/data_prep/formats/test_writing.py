from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_manifests import ROWS, build, expected, nemo_rows, told, tone, write_audio, write_nemo_rows

from asr.cli.main import main
from data_prep.formats.listing import list_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_nemo_rows(write_audio(tmp_path) / "in.json", nemo_rows())
    return tmp_path


def test_a_nemo_a_kaldi_and_a_lhotse_corpus_of_the_same_audio_give_the_same_manifest(folder: Path) -> None:
    found = {}
    for to in ("nemo", "kaldi", "lhotse"):
        out = folder / (f"{to}.json" if to == "nemo" else to)
        assert main(["manifest", str(folder / "in.json"), str(out), "--to", to]) == 0
        found[to], table = build(folder, out.name)
        assert "left out, " not in table
    assert told(folder, found["nemo"]) == expected()
    assert found["nemo"] == found["kaldi"] == found["lhotse"]


def test_manifests_go_from_any_format_to_any_other_and_back(folder: Path) -> None:
    chain = [("a", "lhotse"), ("b", "kaldi"), ("c.json", "nemo"), ("d", "kaldi"), ("e", "lhotse")]
    before = folder / "in.json"
    for name, to in chain:
        assert main(["manifest", str(before), str(folder / name), "--to", to]) == 0
        before = folder / name
    rows, _ = build(folder, "e")
    assert told(folder, rows) == expected()


def test_a_folder_of_audio_and_stage_1_s_own_manifest_are_written_too(folder: Path, tmp_path: Path) -> None:
    tree = tmp_path / "libri" / "1" / "2"
    tree.mkdir(parents=True)
    soundfile.write(tree / "1-2-0000.flac", tone(1.5), 16_000)
    (tree / "1-2.trans.txt").write_text("1-2-0000 HELLO\n")
    assert main(["manifest", str(tmp_path / "libri"), str(tmp_path / "libri.json"), "--to", "nemo"]) == 0
    row = json.loads((tmp_path / "libri.json").read_text())
    assert row == {
        "audio_filepath": str(tree / "1-2-0000.flac"),
        "offset": 0.0,
        "duration": 1.5,
        "text": "HELLO",
        "id": "1-2-0000",
        "speaker": "1",
    }
    rows, _ = build(folder, "in.json")
    assert main(["manifest", str(folder / "out" / "labeled.jsonl"), str(folder / "again.json"), "--to", "nemo"]) == 0
    again, _ = build(folder, "again.json")
    assert again == rows


def test_real_lhotse_reads_what_is_written_and_writes_what_is_read(folder: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    assert main(["manifest", str(folder / "in.json"), str(folder / "lhotse"), "--to", "lhotse"]) == 0
    recordings = lhotse.load_manifest(folder / "lhotse" / "recordings.jsonl.gz")
    supervisions = lhotse.load_manifest(folder / "lhotse" / "supervisions.jsonl.gz")
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions).trim_to_supervisions()
    assert {c.id for c in cuts} == {row[0] for row in ROWS}
    assert {c.supervisions[0].id: c.load_audio().shape[1] for c in cuts}["anna-1"] == 20_000
    (folder / "back").mkdir()
    whole = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    for name, manifest in (("trimmed_cuts", cuts), ("whole_cuts", whole)):
        path = folder / "back" / f"{name}.jsonl.gz"
        manifest.to_file(path)
        rows, table = build(folder, str(path))
        assert told(folder, rows) == expected()
        assert "left out, " not in table


def test_what_a_format_cannot_say_or_is_not_there_is_named_and_the_rest_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(folder / "stereo.wav", np.stack([tone(2), tone(2)], 1), 16_000)
    cut = (folder / "deep" / "call.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(cut[: len(cut) // 2])
    odd = [
        {"id": "a", "audio_filepath": "gone.wav", "duration": 1.0},
        {"id": "b", "audio_filepath": "stereo.wav", "duration": 2.0},
        {"id": "c", "audio_filepath": "cut.mp3"},
        {"id": "d", "audio_filepath": "talk.flac", "duration": 5.0},
        {"id": "e", "audio_filepath": "talk.flac", "offset": 3.0, "duration": 1.5},
        {"id": "f", "audio_filepath": "talk.flac", "offset": 3.0, "duration": 0.0},
    ]
    write_nemo_rows(folder / "odd.json", [*nemo_rows(), *odd])
    assert main(["manifest", str(folder / "odd.json"), str(folder / "k"), "--to", "kaldi"]) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{folder / 'k'}: 4 utterances, 0.00 h\n"
    assert "error: 6 were left out:" in shown.err
    for message in (
        "a: unreadable (",
        "b: several channels, which kaldi cannot say",
        "c: truncated (",
        "d: length differs (5.00 s are declared, 4.00 s are there)",
        "e: lies beyond the end of its audio (3.00 to 4.50 s of 4.00 s)",
        "f: no audio in it (0 s from 3.00 s on)",
    ):
        assert message in shown.err
    assert (folder / "k" / "segments").read_text().splitlines() == [
        "anna-1 talk 0.500000 1.750000",
        "anna-2 talk 2.000000 2.750188",
        "ben-1 call 0.000000 3.000000",
        "ben-2 talk 3.000000 4.000000",
    ]


def test_names_that_would_break_kaldi_s_lines_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(folder / "two\nlines.wav", tone(1), 16_000)
    soundfile.write(folder / "ark:7", tone(1), 16_000, format="WAV")
    soundfile.write(folder / "one two.wav", tone(1), 16_000)
    rows: list[dict[str, object]] = [
        {"id": "a", "audio_filepath": "talk.flac", "speaker": "John Smith"},
        {"id": "b", "audio_filepath": "two\nlines.wav"},
        {"id": "c", "audio_filepath": "ark:7"},
        {"id": "d", "audio_filepath": "one two.wav", "speaker": "ann"},
    ]
    write_nemo_rows(folder / "odd.json", rows)
    assert main(["manifest", str(folder / "odd.json"), str(folder / "k"), "--to", "kaldi"]) == 2
    shown = capsys.readouterr().err
    assert "a: speaker of several words, which kaldi cannot say ('John Smith'; join them)" in shown
    assert "lines.wav'; rename the file)" in shown
    assert "ark:7'; rename the file)" in shown
    assert [(s.id, s.speaker, Path(s.path).name) for s in list_manifest(folder / "k").sources] == [
        ("d", "ann", "one two.wav")
    ]


def test_what_is_written_is_the_same_bytes_each_time(folder: Path) -> None:
    for out in ("one", "two"):
        assert main(["manifest", str(folder / "in.json"), str(folder / out), "--to", "lhotse"]) == 0
    for name in ("recordings.jsonl.gz", "supervisions.jsonl.gz"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    packed = (folder / "one" / "recordings.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    assert [(row["id"], row["num_samples"], row["sampling_rate"]) for row in rows] == [
        ("talk", 64_000, 16_000),
        ("call", 48_000, 16_000),
    ]


def test_an_own_channel_survives_lhotse(folder: Path) -> None:
    soundfile.write(folder / "stereo.wav", np.stack([tone(2), tone(2) // 2], 1), 16_000)
    (folder / "t.csv").write_text("file,channel,text,id\nstereo.wav,2,A,x-2\nstereo.wav,1,B,x-1\n")
    assert main(["manifest", str(folder / "t.csv"), str(folder / "l"), "--to", "lhotse"]) == 0
    rows, table = build(folder, "l")
    direct, _ = build(folder, "t.csv")
    assert rows == direct
    assert [row.text for row in rows] == ["B", "A"]
    peaks = [np.abs(soundfile.read(row.audio_filepath, dtype="int16")[0]).max() for row in rows]
    assert peaks[0] == pytest.approx(2 * peaks[1], rel=0.01)
    assert "note, 2 channels, number 1 is used: 1" in table
    assert dataclasses.replace(rows[0], id="", audio_filepath="").offset == 0.0


@pytest.mark.parametrize("command", [("manifest", "--to", "nemo"), ("manifest", "--to", "lhotse"), ("pack",)])
def test_a_channel_that_a_file_does_not_have_is_named(
    folder: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.csv").write_text("file,channel,id\ntalk.flac,1,left\ntalk.flac,2,right\n")
    assert main([command[0], str(folder / "t.csv"), str(folder / "o"), *command[1:]]) == 2
    shown = capsys.readouterr()
    assert "1 utterances" in shown.out
    assert f"error: 1 were left out:\n  right: no such channel ({folder}/talk.flac: it has 1, and not 2)" in shown.err
