from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.data.manifest import Utterance, read_manifest
from asr.errors import UserError
from asr.score.transcripts import read_transcripts
from data_prep.manifests import build_manifests, fingerprint, format_summary
from data_prep.split import split_labeled

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
    out = root.parent / "out"
    return out, format_summary(build_manifests(corpus, root, root.parent / "cache", out))


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
    assert len(read_manifest(out / "labeled.jsonl")) == 6
    for reason, name in (
        ("not mono", "1-1-0003"),
        ("empty file", "1-1-0004"),
        ("truncated", "1-1-0005"),
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
    path = root / "dev" / "3" / "1" / "3-1-0000.flac"
    os.utime(path, ns=(1, 1))
    assert fingerprint(CORPUS, root) != first


def utterances() -> list[Utterance]:
    rng = np.random.default_rng(0)
    return [
        Utterance(f"{s}-{row}", "x", float(rng.uniform(2, 15)), 0.0, str(s)) for s in range(20) for row in range(30)
    ]


def test_drawn_hours_are_as_many_as_asked_and_spread_over_speakers() -> None:
    kept, rest = split_labeled(utterances(), (), 10 / 60, seed=1)
    assert len(kept) + len(rest) == 600
    assert 600 <= sum(u.duration for u in kept) < 615
    assert len({u.speaker for u in kept}) == 20


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    def ids(rows: list[Utterance], seed: int) -> set[str]:
        return {u.id for u in split_labeled(rows, (), 0.2, seed)[0]}

    assert ids(utterances(), 1) == ids(utterances()[::-1], 1)
    assert ids(utterances(), 1) != ids(utterances(), 2)


def test_a_speaker_who_does_not_occur_is_an_error() -> None:
    with pytest.raises(UserError, match="no utterance of '99'"):
        split_labeled(utterances(), ("1", "99"), None, 0)
