from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from encoded import encode, heard, steps, write

from asr.audio.stream import Unreadable
from asr.audio.view import View
from asr.recognizer.audio import choose_channels, find_audio, read_audio


def stereo(
    left: np.ndarray[tuple[int], np.dtype[np.int16]], right: np.ndarray[tuple[int], np.dtype[np.int16]]
) -> bytes:
    return encode(np.stack([left, right], 1), "WAV", "PCM_16")


def test_channels_are_averaged_or_one_is_picked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", stereo(steps(3), steps(3, 2000)))
    mixed = read_audio(path)
    assert np.abs(mixed.samples - (steps(3) / 2.0 + steps(3, 2000) / 2.0)).max() <= 0.5
    assert mixed.notes == ["2 channels, mixed down to one"]
    second = read_audio(path, 2)
    np.testing.assert_array_equal(second.samples, steps(3, 2000))
    assert second.notes == ["2 channels, number 2 is used"]
    with pytest.raises(Unreadable, match="no such channel: it has 2, and not 3"):
        read_audio(path, 3)


@pytest.mark.parametrize("form", ["WAV", "OGG"])
def test_channels_that_cancel_each_other_are_noticed_and_the_first_is_used(tmp_path: Path, form: str) -> None:
    content = encode(np.stack([steps(12), -steps(12)], 1), form)
    audio = read_audio(write(tmp_path / "a", content))
    assert audio.notes == ["2 channels, which cancel each other when mixed: the first is used"]
    assert len(audio.samples) == 12 * 16_000
    assert heard(audio.samples, 11) == 850
    assert np.abs(audio.samples[:16_000]).max() == pytest.approx(400, rel=0.25)


def test_channels_that_cancel_each_other_in_a_part_are_noticed(tmp_path: Path) -> None:
    right = steps(20)
    right[15 * 16_000 :] *= -1
    audio = read_audio(write(tmp_path / "a.wav", stereo(steps(20), right)))
    assert audio.notes == ["2 channels, mixed down to one, though they cancel each other in parts"]
    assert not audio.samples[15 * 16_000 :].any()


@pytest.mark.parametrize("right", [np.zeros_like(steps(3)), steps(3), steps(3, 2000)])
def test_one_speaker_a_channel_or_the_same_in_both_is_mixed(tmp_path: Path, right: np.ndarray) -> None:
    audio = read_audio(write(tmp_path / "a.wav", stereo(steps(3), right)))
    assert audio.notes == ["2 channels, mixed down to one"]


def test_each_channel_of_a_telephone_call_is_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "call.wav", stereo(steps(3), steps(3, 2000)))
    write(tmp_path / "mono.wav", encode(steps(3), "WAV", "PCM_16"))
    write(tmp_path / "bad.wav", b"no audio")
    files = choose_channels(find_audio([str(tmp_path)]), "each")
    assert [(file.name, file.channel) for file in files] == [("bad", 1), ("call-1", 1), ("call-2", 2), ("mono", 1)]
    np.testing.assert_array_equal(read_audio(files[2].path, files[2].channel).samples, steps(3, 2000))
    np.testing.assert_array_equal(read_audio(files[3].path, files[3].channel).samples, steps(3))


def test_pieces_read_as_one_file() -> None:
    view = View([b"abc", memoryview(b"xdefx")[1:4], b"", b"g"])
    assert view.read(4) == b"abcd"
    assert view.read() == b"efg"
    assert view.read(1) == b""
    assert (view.seek(-3, 2), view.read(2), view.tell()) == (4, b"ef", 6)
    assert (view.seek(-1, 1), view.read()) == (5, b"fg")
