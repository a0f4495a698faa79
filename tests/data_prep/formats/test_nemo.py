from __future__ import annotations

import gzip
import json
import tarfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_manifests import RATE, build, expected, nemo_rows, told, tone, write_audio, write_nemo_rows

from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.data.manifest import read_manifest
from asr.data.packed import find_place
from asr.errors import UserError
from data_prep.formats.listing import list_manifest
from data_prep.manifests import build_manifests, fingerprint
from data_prep.scored import build_scored_manifests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_audio(tmp_path)


@pytest.mark.parametrize("place", ["in.json", "deep/deeper/in.jsonl"])
def test_paths_are_relative_to_the_manifest_or_absolute(folder: Path, place: str) -> None:
    rows = nemo_rows()
    for row in rows[:2]:
        row["audio_filepath"] = str(folder / str(row["audio_filepath"]))
    for row in rows[2:]:
        row["audio_filepath"] = "../" * place.count("/") + str(row["audio_filepath"])
    write_nemo_rows(folder / place, rows)
    found, _ = build(folder, place)
    assert told(folder, found) == expected()


def test_packed_lines_a_byte_order_mark_and_blank_lines_are_read(folder: Path) -> None:
    lines = "\ufeff" + "\n\n".join(json.dumps(row) for row in nemo_rows()) + "\r\n"
    (folder / "in.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert told(folder, build(folder, "in.jsonl.gz")[0]) == expected()


def test_rows_without_ids_are_named_by_file_and_time(folder: Path) -> None:
    soundfile.write(folder / "deep" / "talk.flac", tone(1), RATE)
    paths = [("talk.flac", 0.5), ("talk.flac", 2.0), ("deep/talk.flac", None), ("deep/call.mp3", None)]
    rows = [
        {"audio_filepath": path, "text": "A"} | ({} if at is None else {"offset": at, "duration": 1})
        for path, at in paths
    ]
    write_nemo_rows(folder / "in.json", rows)
    found, _ = build(folder, "in.json")
    assert [(u.id, u.offset, u.duration) for u in found] == [
        ("call", 0.0, 3.0),
        ("deep-talk", 0.0, 1.0),
        ("talk-0000050", 0.5, 1.0),
        ("talk-0000200", 2.0, 1.0),
    ]


def test_what_has_another_name_is_read_and_times_of_other_names_are_refused(folder: Path) -> None:
    row: dict[str, object] = {"utt_id": "x", "audio_filepath": "talk.flac", "Sentence": "A", "client_id": "ann"}
    found = list_manifest(write_nemo_rows(folder / "in.json", [row])).sources
    assert [(s.id, s.text, s.speaker, s.offset, s.seconds) for s in found] == [("x", "A", "ann", 0.0, None)]
    # The format's own come first, and say which part is meant.
    own: dict[str, object] = {"id": "y", "text": "B", "speaker": "ben", "offset": 1, "duration": 2, "start_time": 7}
    found = list_manifest(write_nemo_rows(folder / "in.json", [row | own])).sources
    assert [(s.id, s.text, s.speaker, s.offset, s.seconds) for s in found] == [("y", "B", "ben", 1.0, 2.0)]
    for more, message in (
        (
            {"start": 1.0, "end": 2.5},
            r"in.json, line 2: 'start', 'end': times that are not read.* 'offset' and 'duration'",
        ),
        ({"offset": 1.0, "dur_ms": 500}, "'dur_ms': times that are not read"),
        ({"transcript": "B"}, "fields 'Sentence' and 'transcript' both may be the text; call one of them 'text'"),
    ):
        write_nemo_rows(folder / "in.json", [row, row | more])
        with pytest.raises(UserError, match=message):
            list_manifest(folder / "in.json")


def test_a_length_that_is_not_the_audio_s_is_refused_by_name(folder: Path) -> None:
    """As where a length was taken from an MP3's first frames: the text is that of the whole."""
    rows = [
        {"audio_filepath": "talk.flac", "duration": 2.02, "text": "ALL OF IT"},
        {"audio_filepath": "deep/call.mp3", "duration": 3.07, "text": "WITH PADDING"},
    ]
    write_nemo_rows(folder / "in.json", rows)
    found, table = build(folder, "in.json")
    assert [u.text for u in found] == ["WITH PADDING"]
    assert "left out, length differs: 1" in table
    assert "talk.flac (2.02 s are declared, 4.00 s are there)" in table


def test_parts_beyond_the_end_are_refused_by_name(folder: Path) -> None:
    beyond = {"id": "x", "audio_filepath": "talk.flac", "offset": 3.5, "duration": 1.0, "text": "A"}
    write_nemo_rows(folder / "in.json", [*nemo_rows(), beyond])
    found, table = build(folder, "in.json")
    assert told(folder, found) == expected()
    assert "talk.flac (x: 3.50 to 4.50 s of 4.00 s)" in table


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"audio_filepath": "a.wav"', r"in\.json, line 1: not valid JSON"),
        ("[1]", "line 1: expected a JSON object, found list"),
        ('{"text": "A"}', "line 1: neither NeMo's nor Lhotse's: has 'text', where NeMo has 'audio_filepath'"),
        ('{"audio_filepath": ""}', "line 1: field 'audio_filepath' must be the path of a file; found ''"),
        ('{"audio_filepath": "a", "duration": "long"}', "line 1: field 'duration' must be a number of seconds"),
        ('{"audio_filepath": "a", "offset": -1}', "line 1: field 'offset' must be a number of seconds"),
        ('{"audio_filepath": "a", "text": ["A"]}', r"line 1: field 'text' must be text, found \['A'\]"),
        ('{"audio_filepath": "a", "id": "a b"}', "utterance id 'a b' must be one word"),
        ('{"audio_filepath": "a", "id": "a"}\n{"audio_filepath": "b", "id": "a"}', "utterance id 'a' occurs twice"),
        ("", "line|in.json: neither NeMo's nor Lhotse's: is empty"),
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_named(folder: Path, row: str, message: str) -> None:
    (folder / "in.json").write_text(row + "\n")
    with pytest.raises(UserError, match=message):
        list_manifest(folder / "in.json")


def test_ids_that_differ_in_case_are_two_and_in_unicode_form_are_one(folder: Path) -> None:
    forms = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]

    def listed(*ids: str) -> list[str]:
        write_nemo_rows(folder / "in.json", [{"audio_filepath": "talk.flac", "id": name} for name in ids])
        return [source.id for source in list_manifest(folder / "in.json").sources]

    assert listed("A", "a", forms[1]) == ["A", "a", forms[0]]
    with pytest.raises(UserError, match="occurs twice, or in two Unicode forms"):
        listed(*forms)


@pytest.mark.parametrize("field", ["channel", "channel_selector"])
def test_a_row_that_names_a_channel_is_refused_by_name(folder: Path, field: str) -> None:
    """Some programs count from 0 and some from 1: mixing channels down without a word would be wrong for all."""
    rows = [{"audio_filepath": "talk.flac", "text": "A", field: 1}, {"audio_filepath": "deep/call.mp3", "text": "B"}]
    write_nemo_rows(folder / "in.json", rows)
    listing = list_manifest(folder / "in.json")
    assert [str(r) for r in listing.rejections] == [
        f"{folder / 'in.json'}, line 1: names a channel ({field} = 1; leave it out, or write CSV, whose column counts "
        "channels from 1)"
    ]
    assert [source.text for source in listing.sources] == ["B"]


def test_several_files_of_one_row_are_refused_by_name(folder: Path) -> None:
    write_nemo_rows(folder / "in.json", [{"audio_filepath": ["a.wav", "b.wav"]}])
    (rejection,) = list_manifest(folder / "in.json").rejections
    assert (
        str(rejection)
        == f"{folder / 'in.json'}, line 1: several files of one utterance (2 files in field 'audio_filepath')"
    )


def squash(path: str) -> str:
    stem, _, suffix = path.rpartition(".")
    return stem.replace("/", "_").replace(".", "_") + "." + suffix


def write_tarred(folder: Path, shards: int, spread: bool) -> None:
    """As NeMo's converter writes it, with manifests by shard where `spread`."""
    (folder / "tarred" / "sharded_manifests").mkdir(parents=True)
    entries: list[dict[str, object]] = []
    for shard in range(shards):
        count: dict[str, int] = {}
        rows = nemo_rows()[shard::shards]
        with tarfile.open(folder / "tarred" / f"audio_{shard}.tar", "w") as tar:
            for row in rows:
                name = squash(str(row["audio_filepath"]))
                if name not in count:
                    tar.add(folder / str(row["audio_filepath"]), arcname=name)
                    count[name] = 1
                    row["audio_filepath"] = name
                else:
                    row["audio_filepath"] = name.replace(".", f"-sub{count[name]}.")
                    count[name] += 1
                row["shard_id"] = shard
        entries += rows
        write_nemo_rows(folder / "tarred" / "sharded_manifests" / f"manifest_{shard}.json", rows)
    if not spread:
        write_nemo_rows(folder / "tarred" / "tarred_audio_manifest.json", entries)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize(
    "name",
    [
        "tarred",
        "tarred/tarred_audio_manifest.json",
        "tarred/audio__OP_0..{last}_CL_.tar",
        "tarred/sharded_manifests/manifest__OP_0..{last}_CL_.json",
    ],
)
def test_tarred_audio_is_found_by_its_shard(folder: Path, shards: int, name: str) -> None:
    write_tarred(folder, shards, "sharded" in name)
    found, table = build(folder, name.format(last=shards - 1))
    plain = [(row[0], row[1], row[3], row[4], row[5]) for row in expected()]
    assert [(row[0], row[1], row[3], row[4], row[5]) for row in told(folder, found)] == plain
    assert [row[2] for row in told(folder, found)].count("decoded") == 1
    assert "left out, " not in table
    # FLAC is read where it lies.
    for row in found:
        if row.speaker == "anna":
            assert find_place(row.audio_filepath)
            first = round(row.offset * RATE)
            content = read_samples(row.audio_filepath, row.offset, row.duration)
            np.testing.assert_array_equal(content, tone(4)[first : first + len(content)])


def test_what_an_archive_lacks_or_has_beside_is_named(folder: Path) -> None:
    write_tarred(folder, 2, spread=False)
    path = folder / "tarred" / "tarred_audio_manifest.json"
    lines = path.read_text().splitlines()
    more = json.loads(lines[0]) | {"audio_filepath": "gone.wav", "id": "x"}
    kept = [line for line in lines if "call" not in line]
    path.write_text("\n".join([*kept, json.dumps(more)]) + "\n")
    _, table = build(folder, "tarred")
    assert "left out, not in its archive: 1\n" in table
    assert "(gone.wav, shard 0)" in table
    assert "left out, audio without a row: 1" in table
    (folder / "tarred" / "audio_1.tar").unlink()
    with pytest.raises(UserError, match=r"line 2: no archive of shard 1; looked for .*tarred/audio_1\.tar"):
        build(folder, "tarred")


def test_an_archive_that_was_changed_is_decoded_anew_and_the_fingerprint_follows(folder: Path) -> None:
    write_tarred(folder, 1, spread=False)
    corpus = CorpusConfig(source="manifest", labeled=("tarred",), unlabeled=(), dev=())
    before, first = build(folder, "tarred"), fingerprint(corpus, folder)
    assert fingerprint(corpus, folder) == first
    with tarfile.open(folder / "tarred" / "audio_0.tar", "a") as tar:
        tar.add(folder / "talk.flac", arcname="more.flac")
    assert fingerprint(corpus, folder) != first
    assert [u.audio_filepath for u in build(folder, "tarred")[0]] != [u.audio_filepath for u in before[0]]


def test_parts_of_one_recording_may_be_labeled_unlabeled_and_tested_where_they_do_not_overlap(folder: Path) -> None:
    def part(name: str, begin: float, seconds: float, **more: str) -> dict[str, object]:
        return {"id": name, "audio_filepath": "talk.flac", "offset": begin, "duration": seconds, **more}

    write_nemo_rows(folder / "train.json", [part("a", 0.0, 1.0, text="A"), part("b", 2.0, 1.0, text="B")])
    write_nemo_rows(folder / "audio.json", [part("c", 1.0, 1.0), part("d", 2.5, 1.0), part("e", 3.0, 0.5)])
    write_nemo_rows(folder / "test.json", [part("f", 3.5, 0.5, text="F")])
    corpus = CorpusConfig(
        source="manifest", labeled=("train.json",), unlabeled=("audio.json",), dev=(), test=("test.json",)
    )
    places = folder / "cache", folder / "out"
    build_manifests(corpus, folder, *places)
    assert [u.id for u in read_manifest(folder / "out" / "unlabeled.jsonl")] == ["c", "e"]
    build_scored_manifests(corpus, "test", folder, *places, folder / "tests")
    assert [u.id for u in read_manifest(folder / "tests" / "test.json.jsonl")] == ["f"]
    write_nemo_rows(folder / "test.json", [part("f", 3.4, 0.6, text="F")])
    with pytest.raises(UserError, match="the audio of 'f' is trained on, as unlabeled 'e'"):
        build_scored_manifests(corpus, "test", folder, *places, folder / "tests")
