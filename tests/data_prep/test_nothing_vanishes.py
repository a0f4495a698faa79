from __future__ import annotations

import dataclasses
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.suffixes import AUDIO_SUFFIXES, FALLBACK, NATIVE
from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.data.manifest import read_manifest
from asr.errors import UserError
from data_prep.folder import scan
from data_prep.manifests import build_manifests, fingerprint
from data_prep.scored import build_scored_manifests, fingerprint_scored
from data_prep.summary import format_summary

CORPUS = CorpusConfig(source="local", labeled=("train",), unlabeled=(), dev=("train",))
RATE = 16_000


def tone(seconds: float = 1.0, hertz: int = 440, rate: int = RATE) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def build(root: Path, corpus: CorpusConfig = CORPUS) -> tuple[Path, str]:
    out = root.parent / "out"
    return out, format_summary(build_manifests(corpus, root, root.parent / "cache", out))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "corpus" / "train").mkdir(parents=True)
    return tmp_path / "corpus"


KINDS = {
    "pcm.sph": ("NIST", "PCM_16"),
    "ulaw.sph": ("NIST", "ULAW"),
    "a.nist": ("NIST", "PCM_16"),
    "a.wv1": ("NIST", "PCM_16"),
    "b.w64": ("W64", "PCM_16"),
    "c.aiff": ("AIFF", "PCM_16"),
    "d.aif": ("AIFF", "ULAW"),
    "e.au": ("AU", "PCM_16"),
    "f.caf": ("CAF", "PCM_16"),
    "g.FLAC": ("FLAC", "PCM_16"),
    "h.oga": ("OGG", "VORBIS"),
}


def test_labeled_sphere_w64_aiff_au_and_caf_are_read_with_their_texts(root: Path) -> None:
    for row, (name, (form, subtype)) in enumerate(KINDS.items()):
        path = root / "train" / f"{row}-{name}"
        soundfile.write(path, tone(1 + row / 10, rate=8000), 8000, format=form, subtype=subtype)
    lines = [f"{row}-{name.partition('.')[0]} WORD {row}\n" for row, name in enumerate(KINDS)]
    (root / "train" / "all.trans.txt").write_text("".join(lines))
    out, table = build(root)
    rows = read_manifest(out / "labeled.jsonl")
    assert sorted((u.text or "", u.duration) for u in rows) == sorted(
        (f"WORD {row}", 1 + row / 10) for row in range(len(KINDS))
    )
    assert (out / "rejected.jsonl").read_text() == ""
    assert table.splitlines()[1].split()[-1] == "0"


def test_one_list_of_suffixes_serves_corpora_and_transcribe(root: Path) -> None:
    from asr.recognizer.audio import find_audio

    assert not set(NATIVE) & set(FALLBACK)
    for number, suffix in enumerate(sorted(AUDIO_SUFFIXES)):
        (root / "train" / f"{number}{suffix}").write_bytes(b"x")
    assert len(scan(root / "train").sources) == len(find_audio([str(root / "train")])) == len(AUDIO_SUFFIXES)


def test_what_is_not_read_is_named_with_its_count_and_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    soundfile.write(root / "train" / "a.wav", tone(), RATE)
    (root / "train" / "a.trans.txt").write_text("a A\n")
    for name in ("b.m4a", "c.webm", "d.m4a"):
        (root / "train" / name).write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    for name in ("notes.txt", "e.txt", "LICENSE", "f.pdf"):
        (root / "train" / name).write_text("x")
    out, table = build(root)
    assert "left out, needs the extra `av`: 3" in table
    assert 'run: pip install "kappa-asr[av]"' in table
    assert "*.txt (2 files, such as e.txt)" in table
    rows = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    labeled = [(row["path"], row["reason"]) for row in rows if row["role"] == "labeled"]
    assert sorted(labeled) == [
        ("*", "not taken for audio"),
        ("*.pdf", "not taken for audio"),
        ("*.txt", "not taken for audio"),
        ("b.m4a", "needs the extra `av`"),
        ("c.webm", "needs the extra `av`"),
        ("d.m4a", "needs the extra `av`"),
    ]


def stereo(path: Path, left: int = 440, right: int = 1000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([tone(hertz=left), tone(hertz=right)], 1), RATE)


def loudest(path: str) -> set[int]:
    spectrum = np.abs(np.fft.rfft(read_samples(path, 0, 1.0)))
    return {int(h) for h in np.flatnonzero(spectrum > spectrum.max() / 2)}


def test_channels_are_mixed_picked_or_speakers_of_their_own(root: Path) -> None:
    soundfile.write(root / "train" / "a.wav", tone(), RATE)
    (root / "train" / "a.trans.txt").write_text("a A\n")
    stereo(root / "calls" / "one.wav")
    stereo(root / "calls" / "two.wav")
    corpus = dataclasses.replace(CORPUS, unlabeled=("calls",))
    out, table = build(root, corpus)
    assert [loudest(u.audio_filepath) for u in read_manifest(out / "unlabeled.jsonl")] == [{440, 1000}] * 2
    assert "note, 2 channels, mixed down to one: 2" in table
    out, table = build(root, dataclasses.replace(corpus, channel="each"))
    rows = read_manifest(out / "unlabeled.jsonl")
    assert [(u.id, u.speaker, loudest(u.audio_filepath)) for u in rows] == [
        ("one-1", "one-1", {440}),
        ("one-2", "one-2", {1000}),
        ("two-1", "two-1", {440}),
        ("two-2", "two-2", {1000}),
    ]
    stereo(root / "calls2" / "three.wav")
    (root / "calls2" / "c.trans.txt").write_text("three A\n")
    second = dataclasses.replace(corpus, channel="2", labeled=("train", "calls2"), dev=("calls2",))
    out, table = build(root, second)
    assert [loudest(u.audio_filepath) for u in read_manifest(out / "unlabeled.jsonl")] == [{1000}] * 2
    assert "left out, no such channel: 1\n  a.wav (it has 1, and not 2)" in table


def test_one_transcript_of_two_speakers_is_refused_with_the_remedy(root: Path) -> None:
    stereo(root / "train" / "one.wav")
    (root / "train" / "a.trans.txt").write_text("one A\n")
    with pytest.raises(UserError, match=r"several channels: 1\n.*2 channels and one transcript; set corpus.channel"):
        build(root, dataclasses.replace(CORPUS, channel="each"))


def test_channels_that_cancel_each_other_are_noticed(root: Path) -> None:
    soundfile.write(root / "train" / "a.wav", np.stack([tone(), -tone()], 1), RATE)
    (root / "train" / "a.trans.txt").write_text("a A\n")
    out, table = build(root)
    (row,) = read_manifest(out / "labeled.jsonl")
    np.testing.assert_array_equal(read_samples(row.audio_filepath, 0, 1.0), tone())
    assert "note, 2 channels, which cancel each other when mixed: the first is used: 1" in table


def test_names_and_ids_in_unlike_unicode_forms_are_one(root: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    soundfile.write(root / "train" / f"{apart}.wav", tone(), RATE)
    soundfile.write(root / "train" / "B.wav", tone(), RATE)
    soundfile.write(root / "train" / "b.wav", tone(2), RATE)
    (root / "train" / "a.trans.txt").write_text(f"{composed} CAFÉ\nB BIG\nb SMALL\n")
    out, _ = build(root)
    rows = {u.id: (u.text, u.duration) for u in read_manifest(out / "labeled.jsonl")}
    assert rows == {composed: ("CAFÉ", 1.0), "B": ("BIG", 1.0), "b": ("SMALL", 2.0)}
    soundfile.write(root / "train" / f"{composed}.wav", tone(), RATE)
    (root / "train" / "b.trans.txt").write_text(f"{apart} OTHER\n")
    _, table = build(root)
    assert "left out, repeated recording: 1" in table
    assert "left out, repeated transcript: 1" in table


def test_test_subsets_have_manifests_of_their_own_and_no_audio_that_is_trained_on(root: Path) -> None:
    for subset in ("train", "test"):
        (root / subset).mkdir(exist_ok=True)
        soundfile.write(root / subset / f"{subset}.wav", tone(), RATE)
        (root / subset / "a.trans.txt").write_text(f"{subset} A\n")
    corpus = dataclasses.replace(CORPUS, test=("test",))
    out, _ = build(root, corpus)
    tests = root.parent / "tests"
    table = format_summary(build_scored_manifests(corpus, "test", root, root.parent / "cache", out, tests))
    assert [u.id for u in read_manifest(tests / "test.jsonl")] == ["test"]
    assert table.splitlines()[1].split()[:2] == ["test", "test"]
    # A test subset more makes no other manifests, and so no other run; a new file in it makes another test.
    assert fingerprint(corpus, root) == fingerprint(CORPUS, root)
    before = fingerprint_scored(corpus, "test", root)
    out, _ = build(root, dataclasses.replace(corpus, unlabeled=("test",)))
    with pytest.raises(UserError, match=r"corpus.test: the audio of 'test' is trained on, as unlabeled 'test'"):
        build_scored_manifests(corpus, "test", root, root.parent / "cache", out, tests)
    soundfile.write(root / "test" / "b.wav", tone(), RATE)
    assert fingerprint_scored(corpus, "test", root) != before


@pytest.mark.parametrize("of", ["folder", "file"])
def test_dev_audio_that_is_trained_on_by_another_path_is_refused(root: Path, of: str) -> None:
    folder, way = root / "own", root / "linked" / "way"
    folder.mkdir()
    way.parent.mkdir()
    soundfile.write(folder / "a.flac", tone(), RATE)
    if of == "folder":
        way.symlink_to(folder)
    else:
        way.mkdir()
        (way / "a.flac").symlink_to(folder / "a.flac")
    for name, place in (("train.json", folder), ("dev.json", way)):
        (root / name).write_text(json.dumps({"audio_filepath": str(place / "a.flac"), "text": "A"}) + "\n")
    corpus = CorpusConfig(source="manifest", labeled=("train.json",), unlabeled=(), dev=("dev.json",))
    out, _ = build(root, corpus)
    with pytest.raises(UserError, match=r"corpus.dev: the audio of .* is trained on, as labeled"):
        build_scored_manifests(corpus, "dev", root, root.parent / "cache", out, out / "dev")


def test_hours_that_are_not_there_are_told_with_what_was_left_out(root: Path) -> None:
    soundfile.write(root / "train" / "a.flac", tone(), RATE)
    (root / "train" / "t.trans.txt").write_text("a A\n")
    corpus = dataclasses.replace(CORPUS, labeled_hours=5.0, max_seconds=0.4)
    with pytest.raises(UserError, match=r"labeled_hours is 5, but only 0 h.*there\n(.*\n)*left out.*\n  .*\ba\b"):
        build(root, corpus)
    (rejected,) = root.parent.rglob("rejected.jsonl")
    assert rejected.read_text().count("\n") == 1
