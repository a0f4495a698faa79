from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_model import noise

from asr.errors import UserError
from asr.recognizer.audio import check_names, declared_seconds, find_audio, read_audio


def tone(rate: int, seconds: float = 1.5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


def test_16_khz_mono_is_read_bit_by_bit(tmp_path: Path) -> None:
    samples = noise(70.0)
    soundfile.write(tmp_path / "a.flac", samples, 16_000, subtype="PCM_16")
    audio = read_audio(tmp_path / "a.flac")
    assert np.array_equal(audio.samples, samples)
    assert audio.notes == []


@pytest.mark.parametrize(
    ("suffix", "rate", "kind"),
    [
        ("wav", 8_000, None),
        ("wav", 44_100, "FLOAT"),
        ("flac", 48_000, None),
        ("mp3", 22_050, None),
        ("ogg", 16_000, None),
        ("opus", 48_000, "OPUS"),
    ],
)
def test_any_format_and_rate_is_the_same_tone(suffix: str, rate: int, kind: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    container = "OGG" if suffix == "opus" else None
    soundfile.write(path, tone(rate), rate, subtype=kind, format=container)
    audio = read_audio(path)
    assert audio.seconds == pytest.approx(1.5, abs=0.06)
    middle = audio.samples[4000:20_000] / 32768
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 440
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.03)


def test_stereo_is_mixed_down_with_a_note(tmp_path: Path) -> None:
    left, right = noise(1.0, 1) // 2, noise(1.0, 2) // 2
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16_000, subtype="PCM_16")
    audio = read_audio(tmp_path / "a.wav")
    assert audio.notes == ["2 channels, mixed down to one"]
    assert np.abs(audio.samples - (left.astype(float) + right) / 2).max() <= 0.5


def test_a_float_file_beyond_full_scale_is_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([2.0, -2.0, np.nan, 0.5]), 16_000, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav").samples.tolist() == [32767, -32768, 0, 16384]


def test_what_is_not_audio_is_a_user_error(audio_folder: Path) -> None:
    with pytest.raises(UserError, match=r"notes\.txt: cannot read audio"):
        read_audio(audio_folder / "notes.txt")


def test_folders_are_searched_and_standard_input_is_a_list(audio_folder: Path) -> None:
    inside = [file.name for file in find_audio([str(audio_folder)])]
    assert inside == ["a", "deep/b", "long"]
    files = find_audio([str(audio_folder / "a.flac"), "-"], [f"{audio_folder / 'deep' / 'b.wav'}\n", "\n"])
    assert [file.name for file in files] == ["a", "b"]


def test_links_to_nothing_and_pipes_in_a_folder_are_found_and_cannot_be_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(16_000), 16_000)
    (tmp_path / "dead.flac").symlink_to(tmp_path / "nowhere.flac")
    os.mkfifo(tmp_path / "pipe.wav")
    files = find_audio([str(tmp_path)])
    assert [file.name for file in files] == ["a", "dead", "pipe"]
    assert declared_seconds(files) == pytest.approx(1.5)
    for file in files[1:]:
        with pytest.raises(UserError, match=file.path.name):
            read_audio(file.path)


def test_what_is_not_there_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an empty path"):
        find_audio([""])
    with pytest.raises(UserError, match=r"gone\.wav: no such file"):
        find_audio([str(tmp_path / "gone.wav")])
    with pytest.raises(UserError, match="no audio in this folder"):
        find_audio([str(tmp_path)])


def test_results_that_would_be_one_file_are_a_user_error(audio_folder: Path) -> None:
    files = find_audio([str(audio_folder / "a.flac"), str(audio_folder / "a.flac")])
    with pytest.raises(UserError, match="would both be 'a'"):
        check_names(files)
