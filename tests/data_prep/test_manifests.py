from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.data.manifest import read_manifest
from asr.errors import UserError
from asr.score.transcripts import read_transcripts
from data_prep.manifests import build_manifests, fingerprint
from data_prep.scored import build_scored_manifests, fingerprint_scored
from data_prep.summary import format_summary

CORPUS = CorpusConfig(source="local", labeled=("train",), unlabeled=("audio",), dev=("dev",))


def write(path: Path, seconds: float, rate: int = 16_000, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    tone = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    soundfile.write(path, np.stack([tone] * channels, 1) if channels > 1 else tone, rate)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two labeled speakers, two files without text, one dev speaker."""
    root = tmp_path / "corpus"
    for subset, speaker, count in (("train", 1, 3), ("train", 2, 3), ("dev", 3, 2)):
        folder = root / subset / str(speaker) / "1"
        for row in range(count):
            write(folder / f"{speaker}-1-{row:04d}.flac", 1.0)
        lines = [f"{speaker}-1-{row:04d} word {row}\n" for row in range(count)]
        (folder / f"{speaker}-1.trans.txt").write_text("".join(lines))
    write(root / "audio" / "anna" / "a.wav", 1.5, 8000)
    write(root / "audio" / "anna" / "b.ogg", 2.0)
    return root


def build(corpus: CorpusConfig, root: Path) -> tuple[Path, str]:
    out, cache = root.parent / "out", root.parent / "cache"
    trained = build_manifests(corpus, root, cache, out)
    return out, format_summary([*trained, *build_scored_manifests(corpus, "dev", root, cache, out, out / "dev")])


def test_every_part_is_written_and_unlabeled_rows_carry_no_text(root: Path) -> None:
    out, table = build(CORPUS, root)
    labeled, unlabeled = read_manifest(out / "labeled.jsonl"), read_manifest(out / "unlabeled.jsonl")
    assert [u.text for u in labeled] == [f"WORD {row}" for row in (0, 1, 2)] * 2
    assert [(u.id, u.duration, u.text) for u in unlabeled] == [("anna-a", 1.5, None), ("anna-b", 2.0, None)]
    assert len(read_manifest(out / "dev" / "dev.jsonl")) == 2
    assert "labeled" in table
    assert (out / "rejected.jsonl").read_text() == ""


def test_other_rates_and_formats_are_decoded_once_to_16_khz(root: Path) -> None:
    out, _ = build(CORPUS, root)
    for row in read_manifest(out / "unlabeled.jsonl"):
        assert soundfile.info(row.audio_filepath).format == "FLAC"
        samples = read_samples(row.audio_filepath, 0.0, row.duration).astype(float)
        spectrum = np.abs(np.fft.rfft(samples))
        assert abs(spectrum.argmax() / row.duration - 440) < 2
        assert 7000 < np.abs(samples[2000:-2000]).max() < 9000
    times = {p: p.stat().st_mtime_ns for p in (root.parent / "cache").rglob("*.flac")}
    assert len(times) == 2
    build(CORPUS, root)
    assert {p: p.stat().st_mtime_ns for p in (root.parent / "cache").rglob("*.flac")} == times


def test_what_cannot_be_used_is_left_out_by_name_and_reason(root: Path) -> None:
    folder = root / "train" / "1" / "1"
    write(folder / "1-1-0003.flac", 1.0, channels=2)
    (folder / "1-1-0004.flac").write_bytes(b"")
    whole = root / "whole.flac"
    noise = np.random.default_rng(0).integers(-9000, 9000, 48_000).astype(np.int16)
    soundfile.write(whole, noise, 16_000)
    (folder / "1-1-0005.flac").write_bytes(whole.read_bytes()[:20_000])
    (folder / "1-1-0006.flac").write_bytes(b"no audio at all")
    write(folder / "1-1-0007.flac", 1.0)
    write(folder / "1-1-0008.flac", 0.1)
    with (folder / "1-1.trans.txt").open("a") as file:
        file.write("".join(f"1-1-{row:04d} X\n" for row in (3, 4, 5, 6, 8, 9)))
    out, table = build(CORPUS, root)
    assert len(read_manifest(out / "labeled.jsonl")) == 7
    assert "note, 2 channels, mixed down to one: 1" in table
    for reason, name in (
        ("empty file", "1-1-0004"),
        ("damaged", "1-1-0005"),
        ("unreadable", "1-1-0006"),
        ("no transcript", "1-1-0007"),
        ("shorter than corpus.min_seconds = 0.3", "1-1-0008"),
        ("transcript without audio", "1-1-0009"),
    ):
        lines = [line for line in (out / "rejected.jsonl").read_text().splitlines() if name in line]
        assert len(lines) == 1, name
        assert f'"reason": "{reason}"' in lines[0]
        assert f"left out, {reason}: 1" in table


def test_hidden_speakers_join_the_unlabeled_and_their_text_is_kept_apart(root: Path) -> None:
    out, table = build(dataclasses.replace(CORPUS, labeled_speakers=("2",)), root)
    assert {u.speaker for u in read_manifest(out / "labeled.jsonl")} == {"2"}
    unlabeled = read_manifest(out / "unlabeled.jsonl")
    assert [u.speaker for u in unlabeled] == ["1"] * 3 + ["anna"] * 2
    assert not unlabeled.has_text.any()
    assert read_transcripts(out / "references" / "unlabeled.trans.txt")["1-1-0001"] == "WORD 1"
    assert "text hidden" in table


def test_a_missing_subset_names_what_is_there(root: Path) -> None:
    with pytest.raises(UserError, match=r"subset 'trian' is not in .*audio, dev, train"):
        build(dataclasses.replace(CORPUS, labeled=("trian",)), root)


def test_nothing_labeled_is_an_error_that_says_why(root: Path) -> None:
    with pytest.raises(UserError, match=r"no labeled utterance is left(.|\n)*no transcript: 2"):
        build(dataclasses.replace(CORPUS, labeled=("audio",)), root)


def test_the_fingerprint_follows_files_and_settings(root: Path) -> None:
    first = fingerprint(CORPUS, root)
    assert fingerprint(CORPUS, root) == first
    assert fingerprint(dataclasses.replace(CORPUS, split_seed=1), root) != first
    os.utime(root / "train" / "1" / "1" / "1-1-0000.flac", ns=(1, 1))
    assert fingerprint(CORPUS, root) != first


def test_what_is_scored_has_fingerprints_of_its_own(root: Path) -> None:
    trained, dev = fingerprint(CORPUS, root), fingerprint_scored(CORPUS, "dev", root)
    os.utime(root / "dev" / "3" / "1" / "3-1-0000.flac", ns=(1, 1))
    assert fingerprint(CORPUS, root) == trained
    assert fingerprint_scored(CORPUS, "dev", root) != dev
    shutil.copytree(root / "dev", root / "eval")
    more = dataclasses.replace(CORPUS, dev=("dev", "eval"), test=("eval",), base_url="elsewhere")
    assert fingerprint(more, root) == trained
    assert fingerprint_scored(more, "dev", root) != fingerprint_scored(CORPUS, "dev", root)


def test_dev_audio_that_is_trained_on_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.dev: the audio of '1-1-0000' is trained on, as labeled '1-1-0000'"):
        build(dataclasses.replace(CORPUS, dev=("dev", "train")), root)


def test_the_fingerprint_opens_no_audio_and_follows_a_newer_way_of_decoding(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(CORPUS, root)
    path = root / "audio" / "anna" / "a.wav"
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(CORPUS, root) == first
    monkeypatch.setattr("data_prep.fingerprint.VERSION", -1)
    assert fingerprint(CORPUS, root) != first


def test_a_subset_named_in_both_parts_gives_every_recording_once(root: Path) -> None:
    corpus = dataclasses.replace(CORPUS, unlabeled=("train", "audio", "audio"), labeled_speakers=("1",))
    out, table = build(corpus, root)
    labeled, unlabeled = read_manifest(out / "labeled.jsonl"), read_manifest(out / "unlabeled.jsonl")
    assert [u.speaker for u in labeled] == ["1"] * 3
    assert [u.id for u in unlabeled] == ["2-1-0000", "2-1-0001", "2-1-0002", "anna-a", "anna-b"]
    assert [line.split()[:3] for line in table.splitlines()[1:3]] == [
        ["train", "labeled", "6"],
        ["train", "unlabeled", "0"],
    ]
    assert "note, utterances whose audio is labeled too, and counts there: 6" in table


def test_what_lacks_a_transcript_is_unlabeled_where_its_subset_is_named_there_too(root: Path) -> None:
    write(root / "train" / "1" / "1" / "1-1-0007.flac", 1.0)
    out, _ = build(dataclasses.replace(CORPUS, unlabeled=("train",)), root)
    assert [u.id for u in read_manifest(out / "unlabeled.jsonl")] == ["1-1-0007"]


def test_without_unlabeled_subsets_and_split_the_manifest_is_empty(root: Path) -> None:
    out, _ = build(dataclasses.replace(CORPUS, unlabeled=()), root)
    assert (out / "unlabeled.jsonl").read_bytes() == b""
    assert (out / "references" / "unlabeled.trans.txt").read_bytes() == b""


def test_equal_ids_of_several_subsets_are_told_apart(root: Path, tmp_path: Path) -> None:
    subsets = [root / "audio", tmp_path / "x" / "audio", tmp_path / "y" / "audio"]
    for subset in subsets:
        write(subset / "anna" / "a.wav", 1.0)
    out, _ = build(dataclasses.replace(CORPUS, unlabeled=tuple(map(str, subsets))), root)
    ids = [u.id for u in read_manifest(out / "unlabeled.jsonl")]
    assert ids == ["anna-a", "anna-b", "audio-anna-a", "audio-audio-anna-a"]


def test_length_limits_hold_for_training_only_and_recordings_without_text_are_cut(root: Path) -> None:
    corpus = dataclasses.replace(CORPUS, max_seconds=1.2, min_seconds=0.5, labeled=("train", "train2", "long"))
    write(root / "long" / "7" / "1" / "7-1-0001.flac", 1.25)
    (root / "long" / "7" / "1" / "7-1.trans.txt").write_text("7-1-0001 A\n")
    write(root / "dev" / "3" / "1" / "3-1-0001.flac", 1.3)
    out, table = build(corpus, prepared(root))
    assert len(read_manifest(out / "labeled.jsonl")) == 7
    rows = read_manifest(out / "unlabeled.jsonl")
    assert {u.speaker for u in rows} == {"anna"}
    assert rows.durations.sum() == 3.5
    assert rows.durations.max() <= 1.2
    assert len(read_manifest(out / "dev" / "dev.jsonl")) == 2
    assert "left out, longer than corpus.max_seconds = 1.2: 1" in table
    assert "1.2 s; say when each of its utterances is said" in table
    assert "note, longer than corpus.max_seconds = 1.2, and scored in one piece: 1" in table


def prepared(root: Path) -> Path:
    write(root / "train2" / "7" / "1" / "7-1-0000.flac", 1.15)
    (root / "train2" / "7" / "1" / "7-1.trans.txt").write_text("7-1-0000 A\n")
    return root


def test_subsets_may_be_named_by_absolute_path_and_a_missing_one_names_its_neighbours(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    (root / "dev").rename(elsewhere)
    out, _ = build(dataclasses.replace(CORPUS, dev=(str(elsewhere),)), root)
    assert len(read_manifest(out / "dev" / "elsewhere.jsonl")) == 2
    with pytest.raises(UserError, match=r"is not in .* \(it has .*elsewhere"):
        build(dataclasses.replace(CORPUS, dev=(str(root.parent / "elsewere"),)), root)


def test_transcripts_are_as_the_normaliser_leaves_them(root: Path) -> None:
    (root / "dev" / "3" / "1" / "3-1.trans.txt").write_text("3-1-0000  it\u2019s\t éa   b \n3-1-0001\n")
    out, table = build(CORPUS, root)
    assert [u.text for u in read_manifest(out / "dev" / "dev.jsonl")] == ["IT'S ÉA B"]
    assert "left out, empty transcript: 1" in table


def test_the_table_names_few_files_and_the_list_names_all(root: Path) -> None:
    for row in range(40):
        (root / "audio" / f"broken-{row}.wav").write_bytes(b"")
    out, table = build(CORPUS, root)
    assert "left out, empty file: 40" in table
    assert table.count("broken-") < 10
    rows = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert len(rows) == 40
    assert rows[0] == {
        "subset": "audio",
        "role": "unlabeled",
        "path": "broken-0.wav",
        "reason": "empty file",
        "detail": "",
    }
    summary = json.loads((out / "summary.json").read_text())
    assert [(s["name"], s["utterances"], s["rejections"]) for s in summary] == [
        ("train", 6, 0),
        ("audio", 2, 40),
    ]
    assert [s["name"] for s in json.loads((out / "dev" / "summary.json").read_text())] == ["dev"]


def test_building_again_gives_the_same_bytes_and_leaves_nothing_half_written(root: Path) -> None:
    corpus = dataclasses.replace(CORPUS, labeled_hours=2.5 / 3600)

    def contents() -> dict[str, bytes]:
        out, _ = build(corpus, root)
        return {str(p): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    first = contents()
    assert contents() == first
    assert not [name for name in first if "partial" in name]


def test_real_digits_are_split_by_speaker_and_none_is_left_out(speech_data: Path, tmp_path: Path) -> None:
    corpus = CorpusConfig(source="local", labeled=("train",), unlabeled=(), dev=("dev",), labeled_speakers=("1",))
    out = tmp_path / "out"
    few = tmp_path / "digits"
    for subset in ("train", "dev"):
        for speaker in ("1", "2"):
            shutil.copytree(speech_data / "digits" / subset / speaker, few / subset / speaker)
    build_manifests(corpus, few, tmp_path / "cache", out)
    labeled, unlabeled = read_manifest(out / "labeled.jsonl"), read_manifest(out / "unlabeled.jsonl")
    assert {u.speaker for u in labeled} == {"1"}
    assert {u.speaker for u in unlabeled} == {"2"}
    assert len(read_transcripts(out / "references" / "unlabeled.trans.txt")) == len(unlabeled) > 100
    assert (out / "rejected.jsonl").read_bytes() == b""
    assert set(" ".join(u.text or "" for u in labeled).split()) <= set(DIGITS)


DIGITS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
