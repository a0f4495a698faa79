"""The embedded corpus: the same samples everywhere, dev apart from training, never half-written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asr.errors import UserError
from asr.score.transcripts import read_transcripts
from data_prep import mini, mini_shard
from data_prep.draws import Draws
from data_prep.grammar import draw_sentence, vocabulary, words_of
from data_prep.mini import MARKER, generate
from data_prep.noise import KINDS, make_noise, mix
from data_prep.resample import filter_taps, integer_taps, resample
from data_prep.speakers import SUBSETS, Speaker, all_speakers

GOLDEN_PCM = "1e6f16ba5c45ae8ec50836bb10738ecdb18fd5e694d4a9e4d58fe429f75dfe9c"
GOLDEN_PLAN = "acd0ed6c3a0862fb2e12ce8f018b579a1e08c96061fa105d7e7e9834cb318d02"

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def speakers() -> tuple[Speaker, ...]:
    return all_speakers()


@pytest.fixture
def _espeak() -> None:
    pytest.importorskip("espeakng_loader", reason='eSpeak NG is absent: pip install "kappa-asr[mini]"')


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, speakers: tuple[Speaker, ...]) -> tuple[Speaker, ...]:
    """Makes `generate` write one speaker of three subsets only."""
    chosen = tuple(s for s in speakers if s.id in (1001, 3001, 4001))
    monkeypatch.setattr(mini, "all_speakers", lambda: chosen)
    return chosen


def pcm_digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        samples, rate = soundfile.read(file, dtype="int16")
        assert rate == 16000
        digest.update(file.name.encode() + samples.astype("<i2").tobytes())
    return digest.hexdigest()


def words(speakers: Iterable[Speaker]) -> set[str]:
    return {word for s in speakers for u in s.utterances for word in words_of(u.sentence).split()}


@pytest.mark.usefixtures("_espeak", "few")
def test_the_samples_are_the_golden_ones_whatever_the_number_of_processes(
    tmp_path: Path,
) -> None:
    for processes in (1, 2):
        generate(tmp_path / str(processes), processes=processes)
        assert pcm_digest((tmp_path / str(processes)).rglob("*.flac")) == GOLDEN_PCM, f"{processes} processes"


@pytest.mark.usefixtures("_espeak")
def test_a_written_corpus_has_librispeechs_layout_and_upper_case_texts(
    few: tuple[Speaker, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    generate(tmp_path / "corpus", processes=2, progress=said.append)
    assert said == ["mini corpus: 3 of 3 speakers"]
    for speaker in few:
        folder = tmp_path / "corpus" / speaker.subset / str(speaker.id)
        texts: dict[str, str] = {}
        for transcript in sorted(folder.glob("*/*.trans.txt")):
            assert transcript.name == f"{speaker.id}-{transcript.parent.name}.trans.txt"
            lines = read_transcripts(transcript)
            assert {file.stem for file in transcript.parent.glob("*.flac")} == set(lines)
            assert all(name.startswith(f"{speaker.id}-{transcript.parent.name}-") for name in lines)
            texts |= lines
        assert list(texts.values()) == [words_of(u.sentence) for u in speaker.utterances]
    info = soundfile.info(next((tmp_path / "corpus").rglob("*.flac")))
    assert (info.samplerate, info.channels, info.subtype, info.format) == (16000, 1, "PCM_16", "FLAC")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".corpus.lock", "corpus"]


@pytest.mark.usefixtures("few")
def test_a_corpus_of_the_current_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "_run_shard", lambda *_: None)
    monkeypatch.setattr(mini, "locate", lambda: None)
    generate(tmp_path / "corpus")
    monkeypatch.setattr(mini, "_run_shard", lambda *_: pytest.fail("generated again"))
    generate(tmp_path / "corpus")


@pytest.mark.usefixtures("few")
def test_a_corpus_of_another_version_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "locate", lambda: None)

    def write(speaker: Speaker, root: Path, _lock: int) -> None:
        (root / speaker.subset).mkdir()
        (root / speaker.subset / str(mini.VERSION)).touch()

    monkeypatch.setattr(mini, "_run_shard", write)
    generate(tmp_path / "corpus")
    old = mini.VERSION
    monkeypatch.setattr(mini, "VERSION", old + 1)
    generate(tmp_path / "corpus")
    assert json.loads((tmp_path / "corpus" / MARKER).read_text())["version"] == old + 1
    assert [p.name for p in (tmp_path / "corpus" / "dev-clean").iterdir()] == [str(old + 1)]


@pytest.mark.parametrize("name", ["notes.txt", "dev-clean/audio.flac", "corpus.json", "x/corpus.json"])
def test_a_folder_that_is_not_the_corpus_is_never_deleted(tmp_path: Path, name: str) -> None:
    file = tmp_path / "corpus" / name
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(UserError, match="not replaced; move it away"):
        generate(tmp_path / "corpus")
    assert file.read_text() == "{}"


def test_a_foreign_file_inside_an_old_corpus_saves_it(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / MARKER).write_text('{"corpus": "kappa-asr mini", "version": 0}')
    (tmp_path / "corpus" / "thesis.txt").touch()
    with pytest.raises(UserError, match=r"thesis\.txt"):
        generate(tmp_path / "corpus")
    assert (tmp_path / "corpus" / "thesis.txt").exists()


@pytest.mark.usefixtures("few")
def test_a_failed_generation_leaves_nothing_that_looks_finished_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mini, "locate", lambda: None)

    def fail_late(speaker: Speaker, root: Path, _lock: int) -> None:
        if speaker.id == 4001:
            raise UserError("disk full")
        (root / speaker.subset).mkdir()

    monkeypatch.setattr(mini, "_run_shard", fail_late)
    with pytest.raises(UserError, match="disk full"):
        generate(tmp_path / "corpus", processes=1)
    assert not (tmp_path / "corpus").exists()
    assert not list(tmp_path.rglob(MARKER))
    monkeypatch.setattr(mini, "_run_shard", lambda *_: None)
    generate(tmp_path / "corpus", processes=1)
    assert [p.name for p in (tmp_path / "corpus").iterdir()] == [MARKER]


def test_a_shard_that_crashes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = SimpleNamespace(returncode=-11, stderr="Segmentation fault")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: crash)
    monkeypatch.setattr(mini, "locate", lambda: None)
    with pytest.raises(RuntimeError, match=r"speaker 1001 .* exit status -11"):
        generate(tmp_path / "corpus", processes=1)


def test_without_espeak_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r'pip install "kappa-asr\[mini\]"'):
        generate(tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []


def test_a_shard_of_an_unknown_speaker_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert mini_shard.main(["9999", str(tmp_path)]) == 2
    assert "no speaker 9999" in capsys.readouterr().err


def test_dev_speakers_and_sentences_are_disjoint_from_training(speakers: tuple[Speaker, ...]) -> None:
    dev = [s for s in speakers if s.subset.startswith("dev-")]
    train = [s for s in speakers if not s.subset.startswith("dev-")]
    assert not {s.id for s in dev} & {s.id for s in train}
    assert not {s.variant for s in dev} & {s.variant for s in train}
    dev_texts = {words_of(u.sentence) for s in dev for u in s.utterances}
    assert not dev_texts & {words_of(u.sentence) for s in train for u in s.utterances}
    assert len({s.id for s in speakers}) == len({s.variant for s in speakers}) == 84


def test_every_dev_word_is_in_the_training_vocabulary(speakers: tuple[Speaker, ...]) -> None:
    train = words(s for s in speakers if s.subset.startswith("train-"))
    assert words(s for s in speakers if s.subset.startswith("dev-")) <= train
    assert train <= vocabulary()
    assert 120 <= len(train) <= 200
    assert {"IT'S", "DON'T", "SHIP", "SHEEP", "THEIR", "THERE"} <= train


def test_sentences_are_three_to_nine_upper_case_words() -> None:
    draws = Draws(7)
    for _ in range(300):
        text = words_of(draw_sentence(draws, dev=False))
        assert 3 <= len(text.split()) <= 9
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")


def test_the_plan_of_the_whole_corpus_is_the_golden_one(speakers: tuple[Speaker, ...]) -> None:
    assert hashlib.sha256(repr(speakers).encode()).hexdigest() == GOLDEN_PLAN
    assert [sum(s.subset == subset.name for s in speakers) for subset in SUBSETS] == [4, 64, 8, 8]


def test_no_filter_tap_is_near_a_rounding_boundary() -> None:
    """So sines that differ in their last bit between machines give the same integers."""
    taps = filter_taps()
    assert np.abs(taps - np.floor(taps) - 0.5).min() > 1e-6
    assert (integer_taps().sum(axis=1) == 2**15).all()


def test_resampling_by_matrix_products_equals_the_integer_sum() -> None:
    samples = Draws(3).int16(3000)
    taps = integer_taps().astype(object)
    padded = np.pad(samples.astype(object), (23, 60))
    expected = []
    for n in range(-(-3000 * 320 // 441)):
        start, phase = divmod(n * 441, 320)
        total = sum(int(a) * int(b) for a, b in zip(padded[start : start + 48], taps[phase], strict=True))
        expected.append(max(-(2**15), min(2**15 - 1, (total + 2**14) >> 15)))
    assert resample(samples).tolist() == expected


@pytest.mark.parametrize(("hertz", "gain"), [(440, 1.0), (5000, 1.0), (9500, 0.0)])
def test_resampling_keeps_what_fits_and_removes_what_would_alias(hertz: int, gain: float) -> None:
    def tone(rate: int, count: int) -> NDArray[np.float64]:
        samples: NDArray[np.float64] = np.rint(8000 * np.sin(2 * np.pi * hertz * np.arange(count) / rate))
        return samples

    heard = resample(tone(22050, 22050).astype(np.int16))
    assert len(heard) == 16000
    assert np.abs(heard - gain * tone(16000, 16000))[100:-100].max() < 80


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snr_db", [4, 17, 30])
def test_speech_and_noise_are_mixed_at_the_asked_level_and_ratio(kind: str, snr_db: int) -> None:
    speech = (Draws(1).int16(16000) >> 3).astype(np.int16)
    noise = make_noise(kind, Draws(2), 16000, [Draws(4).int16(5000)])
    mixed = mix(speech, noise, snr_db, 1500).astype(np.float64)
    clean = speech * (1500 / np.sqrt(np.mean(speech.astype(float) ** 2)))
    assert np.sqrt(np.mean(clean**2)) == pytest.approx(1500)
    assert 10 * np.log10(np.mean(clean**2) / np.mean((mixed - clean) ** 2)) == pytest.approx(snr_db, abs=0.1)


def test_draws_are_the_golden_ones() -> None:
    draws = Draws(5, 6)
    assert [draws.below(1000) for _ in range(5)] == [588, 435, 684, 155, 307]
    assert draws.int16(6).tolist() == [-5917, -32670, 29109, 19990, -27419, 6626]
