from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.config import CorpusConfig
from asr.data.audio import Samples, read_samples
from asr.data.manifest import Manifest, read_manifest
from asr.errors import UserError
from data_prep.manifests import build_manifests
from data_prep.summary import format_summary

CORPUS = CorpusConfig(source="local", labeled=("train",), unlabeled=("podcasts",), dev=("train",))
RATE = 16_000


def talk(phrases: list[float], pause: float = 0.5, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Phrases of so many seconds, each of four syllables of noise a second, between pauses of fainter noise."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    for seconds in phrases:
        count = round(seconds * RATE)
        syllables = 0.05 + np.abs(np.sin(4 * np.pi * np.arange(count) / RATE))
        parts.append(rng.standard_normal(count) * 3000 * syllables)
        parts.append(rng.standard_normal(round(pause * RATE)) * 20)
    return np.concatenate(parts).astype(np.int16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("train/1/1", "podcasts"):
        (tmp_path / folder).mkdir(parents=True)
    soundfile.write(tmp_path / "train" / "1" / "1" / "1-1-0000.flac", talk([2.0]), RATE)
    (tmp_path / "train" / "1" / "1" / "1-1.trans.txt").write_text("1-1-0000 A\n")
    return tmp_path


def build(root: Path, corpus: CorpusConfig = CORPUS) -> tuple[Manifest, str]:
    table = format_summary(build_manifests(corpus, root, root / "cache", root / "out"))
    return read_manifest(root / "out" / "unlabeled.jsonl"), table


@pytest.mark.parametrize("form", ["flac", "wav", "ogg"])
def test_a_long_recording_becomes_utterances_cut_at_pauses_and_nothing_of_it_is_lost(root: Path, form: str) -> None:
    phrases = [7.3, 11.0, 4.2, 19.5, 3.3, 28.0, 9.1, 12.2] * 2
    samples = talk(phrases)
    # libsndfile dies of minutes of Vorbis at once.
    with soundfile.SoundFile(root / "podcasts" / f"one.{form}", "w", RATE, 1) as file:
        for start in range(0, len(samples), RATE):
            file.write(samples[start : start + RATE])
    rows, table = build(root)
    assert rows.durations.sum() * RATE == len(samples)
    assert rows.durations.max() <= 36
    assert rows.durations.min() >= 9
    assert len({u.audio_filepath for u in rows}) == 1
    assert [u.id for u in rows] == [f"one-{round(100 * u.offset):07d}" for u in rows]
    ends = np.cumsum([length for phrase in phrases for length in (phrase, 0.5)])
    for u in rows:
        # Each begins in a pause.
        assert u.offset == 0 or any(end < u.offset < end + 0.5 for end in ends[::2])
    joined = np.concatenate([read_samples(u.audio_filepath, u.offset, u.duration) for u in rows])
    if form != "ogg":
        np.testing.assert_array_equal(joined, samples)
    assert len(joined) == len(samples)
    assert f"note, recordings of 0:03:17 cut at pauses into {len(rows)} utterances of 0:03:17: 1" in table
    assert "within speech" not in table


def test_speech_without_a_pause_is_cut_all_the_same_and_the_cuts_are_counted(root: Path) -> None:
    soundfile.write(root / "podcasts" / "one.flac", talk([100.0]), RATE)
    rows, table = build(root)
    assert rows.durations.sum() == pytest.approx(100.5)
    assert rows.durations.max() <= 36
    assert "note, cuts within speech, for want of a pause: 2" in table


def test_all_digital_silence_is_cut_too(root: Path) -> None:
    soundfile.write(root / "podcasts" / "one.flac", np.zeros(100 * RATE, np.int16), RATE)
    rows, _ = build(root)
    assert rows.durations.sum() == 100
    assert rows.durations.max() <= 36


@pytest.mark.parametrize("extra", [-1, 0, 1, 479, 480, 481])
def test_a_recording_just_over_the_limit_is_cut_and_one_just_below_is_not(root: Path, extra: int) -> None:
    soundfile.write(root / "podcasts" / "one.flac", talk([30.0])[: 20 * RATE + extra], RATE)
    rows, _ = build(root, dataclasses.replace(CORPUS, max_seconds=20.0))
    assert (len(rows) > 1) == (extra > 0)
    assert rows.durations.sum() * RATE == 20 * RATE + extra
    assert rows.durations.max() <= 20


def test_a_labeled_recording_that_is_too_long_is_refused_with_the_remedy_and_cut_where_its_text_is_not_used(
    root: Path,
) -> None:
    folder = root / "train" / "1" / "1"
    soundfile.write(folder / "1-1-0001.flac", talk([30.0, 30.0]), RATE)
    (folder / "1-1.trans.txt").write_text("1-1-0000 A\n1-1-0001 B\n")
    rows, table = build(root, dataclasses.replace(CORPUS, unlabeled=("train",)))
    assert "left out, longer than corpus.max_seconds = 36: 1" in table
    assert "say when each of its utterances is said, as a manifest's offset and duration do" in table
    # Its audio is of use without the text; what is labeled counts once.
    assert {u.id.rpartition("-")[0] for u in rows} == {"1-1-0001"}
    assert rows.durations.sum() == 61
    assert "note, transcripts of recordings that were cut, which are not kept: 1" in table


@dataclass(frozen=True)
class Word:
    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Model:
    """Hears what it is told to, and aligns any text with it, word by word."""

    heard: tuple[Word, ...]

    def words(self, samples: Samples) -> Sequence[Word]:
        assert len(samples) == 62 * RATE
        return self.heard

    def align(self, samples: Samples, text: str) -> Sequence[Word]:
        assert len(samples) == 62 * RATE
        words = text.split()
        if len(words) != len(self.heard):
            raise UserError("the text does not fit")
        return [replace(word, text=text) for word, text in zip(self.heard, words, strict=True)]


MODEL = Model((Word("ONE", 0.0, 15.1), Word("TWO", 15.3, 30.9), Word("THREE", 31.2, 61.9)))


def test_a_pause_in_the_middle_of_what_a_model_hears_as_one_word_is_none(root: Path) -> None:
    soundfile.write(root / "podcasts" / "one.flac", talk([15.0, 15.0, 15.0, 15.0]), RATE)

    def cuts(model: Model | None) -> list[float]:
        build_manifests(CORPUS, root, root / "cache", root / "out", hearing=model)
        return [u.offset for u in read_manifest(root / "out" / "unlabeled.jsonl")][1:]

    assert [round(cut) for cut in cuts(None)] == [15, 31, 46]
    first, second = cuts(MODEL)
    assert 15.1 < first < 15.3
    assert 30.9 < second < 31.2


@pytest.mark.parametrize(
    ("text", "kept", "told"),
    [
        ("ONE TWO THREE", ["ONE", "TWO", "THREE"], ""),
        ("one two thrae", ["ONE", "TWO", "THRAE"], ""),
        ("One – <noise> two, three ...", ["ONE", "TWO", "THREE"], ""),
        ("ONE ELEPHANT THREE", ["ONE", "THREE"], "'ELEPHANT', and the model hears 'TWO'"),
        ("ONE TWO", [], "text cannot be aligned: 1\n  1-1-0001 (the text does not fit)"),
    ],
)
def test_a_labeled_recording_is_cut_with_its_text_where_a_model_hears_that_text(
    root: Path, text: str, kept: list[str], told: str
) -> None:
    folder = root / "train" / "1" / "1"
    soundfile.write(folder / "1-1-0001.flac", talk([15.0, 15.0, 15.0, 15.0]), RATE)
    (folder / "1-1.trans.txt").write_text(f"1-1-0000 A\n1-1-0001 {text}\n")
    corpus = dataclasses.replace(CORPUS, unlabeled=(), dev=("dev",))
    (root / "dev").mkdir()
    soundfile.write(root / "dev" / "d.flac", talk([2.0]), RATE)
    (root / "dev" / "d.trans.txt").write_text("d A\n")
    table = format_summary(build_manifests(corpus, root, root / "cache", root / "out", hearing=MODEL))
    rows = list(read_manifest(root / "out" / "labeled.jsonl"))
    assert [u.text for u in rows] == ["A", *kept]
    assert told in table
    assert sum(u.duration for u in rows[1:]) == (62 if len(kept) == 3 else pytest.approx(46.3 if kept else 0, abs=0.5))


def test_real_speech_joined_to_long_recordings_is_cut_between_words(root: Path, speech_data: Path) -> None:
    """Readings of LibriSpeech, whose files begin and end in pauses: cuts at other places are seldom."""
    paths = sorted(speech_data.glob("LibriSpeech/dev-clean/*/*/*.flac"))[:25]
    samples = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in paths])
    soundfile.write(root / "podcasts" / "one.mp3", samples, RATE)
    rows, table = build(root)
    assert rows.durations.sum() * RATE == len(samples)
    assert rows.durations.max() <= 36
    # Of the few seconds around each cut hardly any is quieter.
    level = np.array([np.abs(samples[i : i + 480].astype(float)).mean() for i in range(0, len(samples), 480)])
    for u in list(rows)[1:]:
        frame = round(u.offset * RATE / 480)
        around = level[max(0, frame - 66) : frame + 66]
        assert np.mean(around < level[frame]) < 0.4
    assert "within speech" not in table
