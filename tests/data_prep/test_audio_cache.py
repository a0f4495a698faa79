from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import UserError
from data_prep import audio_cache
from data_prep.audio_cache import Ready, prepare_audio
from data_prep.source import Rejection, Source

RATE = 16_000


def noise(seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(0).integers(-9000, 9000, round(seconds * rate)).astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "subset").mkdir()
    return tmp_path / "subset"


def prepare(folder: Path, *names: str) -> list[Ready | Rejection]:
    sources = [Source(name, "1", name, None) for name in names]
    return prepare_audio(folder, sources, folder.parent / "cache")


def ready(folder: Path, name: str) -> Ready:
    (result,) = prepare(folder, name)
    assert isinstance(result, Ready), result
    return result


def reason(folder: Path, name: str) -> str:
    (result,) = prepare(folder, name)
    assert isinstance(result, Rejection), result
    return result.reason


def cached(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").rglob("*.flac"))


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.wav", "PCM_16"), ("a.wav", "PCM_24")])
def test_16_khz_flac_and_wav_are_used_where_they_lie(folder: Path, name: str, subtype: str) -> None:
    soundfile.write(folder / name, noise(), RATE, subtype=subtype)
    found = ready(folder, name)
    assert (found.path, found.duration) == (folder / name, 2.0)
    assert cached(folder) == []


def test_a_float_wav_is_decoded_since_as_integers_it_reads_as_silence(folder: Path) -> None:
    samples = noise()
    soundfile.write(folder / "a.wav", samples.astype(np.float32) / 32768, RATE, subtype="FLOAT")
    assert not soundfile.read(folder / "a.wav", dtype="int16")[0].any()
    decoded, rate = soundfile.read(ready(folder, "a.wav").path, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(decoded, samples)


def test_samples_beyond_full_scale_are_clipped_and_do_not_wrap_round(folder: Path) -> None:
    tone = np.sign(np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE))
    soundfile.write(folder / "a.ogg", tone, RATE)
    exact = soundfile.read(folder / "a.ogg", dtype="float32")[0] * 32768
    assert exact.max() > 33000, "the codec overshoots, or this test tests nothing"
    decoded = soundfile.read(ready(folder, "a.ogg").path, dtype="int16")[0]
    np.testing.assert_allclose(decoded, exact.clip(-32768, 32767), atol=0.51)


def test_audio_that_is_refused_when_it_is_half_written_ends_quietly(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(folder / "a.wav", noise().astype(np.float32) * 40, RATE, subtype="FLOAT")
    assert "beyond full scale" in reason(folder, "a.wav")
    assert capfd.readouterr().err == ""
    assert cached(folder) == []


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_other_rates_are_resampled(folder: Path, rate: int) -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(folder / "a.flac", tone.astype(np.int16), rate)
    found = ready(folder, "a.flac")
    decoded = soundfile.read(found.path, dtype="int16")[0]
    assert found.duration == len(decoded) / RATE == 1.0
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(decoded[500:-500], expected[500:-500], atol=20)


def test_a_cached_file_is_kept_until_its_source_changes(folder: Path) -> None:
    soundfile.write(folder / "a.wav", noise(rate=8000), 8000)
    first = ready(folder, "a.wav").path
    written = first.stat().st_mtime_ns
    assert ready(folder, "a.wav").path == first
    assert first.stat().st_mtime_ns == written
    os.utime(folder / "a.wav", ns=(1, 1))
    assert ready(folder, "a.wav").path != first


def test_a_cache_shared_by_two_folders_keeps_files_of_the_same_relative_name_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for parent in ("one", "two"):
        (tmp_path / parent / "subset").mkdir(parents=True)
        soundfile.write(tmp_path / parent / "subset" / "a.wav", noise(rate=8000), 8000)
        os.utime(tmp_path / parent / "subset" / "a.wav", ns=(1, 1))
        monkeypatch.chdir(tmp_path / parent)
        (result,) = prepare_audio(Path("subset"), [Source("a", "1", "a.wav", None)], tmp_path / "cache")
        assert isinstance(result, Ready)
        paths.append(result.path)
    assert paths[0] != paths[1]


def test_a_damaged_cached_file_is_decoded_again(folder: Path) -> None:
    soundfile.write(folder / "a.wav", noise(rate=8000), 8000)
    copy = ready(folder, "a.wav").path
    copy.write_bytes(b"")
    assert ready(folder, "a.wav").path == copy
    assert soundfile.info(copy).duration == 2.0


def test_a_newer_way_of_decoding_takes_no_older_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(folder / "a.wav", noise(rate=8000), 8000)
    first = ready(folder, "a.wav").path
    monkeypatch.setattr(audio_cache, "VERSION", audio_cache.VERSION + 1)
    assert ready(folder, "a.wav").path != first


def test_a_cache_that_cannot_be_written_is_an_error_and_no_fault_of_the_sources(folder: Path) -> None:
    soundfile.write(folder / "a.wav", noise(rate=8000), 8000)
    (folder.parent / "cache").write_bytes(b"a file is in the way")
    with pytest.raises(UserError, match="cannot keep decoded audio"):
        prepare(folder, "a.wav")


def test_a_full_disk_is_an_error_and_leaves_no_copy_that_looks_whole(folder: Path) -> None:
    soundfile.write(folder / "a.wav", noise(rate=8000), 8000)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, usual[1]))
    try:
        with pytest.raises(UserError, match=r"cannot keep decoded audio \(File too large\)"):
            prepare(folder, "a.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not [p for p in (folder.parent / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize("name", ["a.flac", "a.wav"])
@pytest.mark.parametrize("share", [0.5, 0.999])
@pytest.mark.parametrize("rate", [RATE, 8000])
def test_a_file_that_was_cut_short_is_noticed(folder: Path, name: str, share: float, rate: int) -> None:
    soundfile.write(folder / name, noise(rate=rate), rate)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    assert reason(folder, name) in ("truncated", "damaged")
    assert cached(folder) == []


def test_a_streamed_wav_whose_header_knows_no_length_is_used(folder: Path) -> None:
    soundfile.write(folder / "a.wav", noise(), RATE)
    content = bytearray((folder / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    (folder / "a.wav").write_bytes(content)
    assert ready(folder, "a.wav").duration == 2.0


def test_a_flac_without_a_length_in_its_header_is_decoded_to_its_end(folder: Path) -> None:
    soundfile.write(folder / "a.flac", noise(), RATE)
    content = bytearray((folder / "a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (folder / "a.flac").write_bytes(content)
    found = ready(folder, "a.flac")
    assert found.path != folder / "a.flac"
    np.testing.assert_array_equal(soundfile.read(found.path, dtype="int16")[0], noise())


def test_stereo_is_mixed_down_and_empty_and_foreign_files_are_rejected_in_place(folder: Path) -> None:
    soundfile.write(folder / "stereo.flac", np.stack([noise(), noise()], 1), RATE)
    soundfile.write(folder / "no-frames.wav", noise(0), RATE)
    (folder / "no-bytes.opus").write_bytes(b"")
    (folder / "text.mp3").write_bytes(b"this is no audio" * 100)
    soundfile.write(folder / "good.flac", noise(), RATE)
    names = ("stereo.flac", "no-frames.wav", "no-bytes.opus", "text.mp3", "gone.wav", "good.flac")
    found = prepare(folder, *names)
    assert [r.reason if isinstance(r, Rejection) else "used" for r in found] == [
        "used",
        "no audio in it",
        "empty file",
        "unreadable",
        "unreadable",
        "used",
    ]
    assert [r.path if isinstance(r, Rejection) else r.source.path for r in found] == list(names)
    assert isinstance(found[0], Ready)
    np.testing.assert_array_equal(soundfile.read(found[0].path, dtype="int16")[0], noise())


def test_a_file_is_decoded_once_and_what_was_noted_of_it_is_not_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(folder / "stereo.wav", np.stack([noise(), noise()], 1), RATE)
    soundfile.write(folder / "mono.flac", noise(), RATE)
    first = prepare(folder, "stereo.wav", "mono.flac")
    assert [r.notes for r in first if isinstance(r, Ready)] == [("2 channels, mixed down to one",), ()]
    with (folder.parent / "cache" / "known.jsonl").open("a") as file:
        file.write('{"key": "cut by a ki')
    monkeypatch.setattr(audio_cache, "decode", None)
    assert prepare(folder, "stereo.wav", "mono.flac") == first


def test_parts_of_a_file_lie_on_the_grid_of_samples_and_within_it(folder: Path) -> None:
    soundfile.write(folder / "a.flac", noise(), RATE)

    def part(offset: float, seconds: float | None, claim: float | None = None) -> Ready | Rejection:
        source = Source("a", "1", "a.flac", None, offset, seconds, claim)
        (found,) = prepare_audio(folder, [source], folder.parent / "cache")
        return found

    for offset, seconds, expected in (
        (0.5, 1.00001, (0.5, 1.0)),
        (0.1, 0.2, (0.1, 0.2)),
        (1.25, None, (1.25, 0.75)),
        (1.0, 1.05, (1.0, 1.0)),
    ):
        found = part(offset, seconds)
        assert isinstance(found, Ready)
        assert (found.offset, found.duration) == expected
    for offset, seconds, claim, expected_reason in (
        (1.0, 1.2, None, "lies beyond the end of its audio"),
        (2.5, None, None, "lies beyond the end of its audio"),
        (0.0, None, 1.5, "length differs"),
        (0.0, None, 20.0, "length differs"),
        (1.0, 0.00001, None, "no audio in it"),
    ):
        found = part(offset, seconds, claim)
        assert isinstance(found, Rejection)
        assert found.reason == expected_reason


def test_real_opus_is_decoded_to_the_same_samples(speech_data: Path, tmp_path: Path) -> None:
    subset = speech_data / "LibriSpeech" / "train-clean-5"
    path = next(iter(sorted(subset.rglob("*.opus"))), None)
    if path is None:
        pytest.skip(f"no Opus below {subset}")
    (found,) = prepare_audio(subset, [Source("a", "1", str(path.relative_to(subset)), None)], tmp_path)
    assert isinstance(found, Ready)
    exact = soundfile.read(path, dtype="float32")[0] * 32768
    decoded = soundfile.read(found.path, dtype="int16")[0]
    assert found.duration == len(exact) / RATE
    np.testing.assert_allclose(decoded, exact.clip(-32768, 32767), atol=0.51)
