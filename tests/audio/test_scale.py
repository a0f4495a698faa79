from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.decode import Decoded, decode
from asr.audio.stream import Unreadable
from asr.data.audio import Samples

RNG = np.random.default_rng(0)
SPEECH = RNG.normal(0, 0.1, 16_000).astype(np.float32).clip(-0.5, 0.5)


def heard(folder: Path, samples: np.ndarray, rate: int = 16_000) -> tuple[Decoded, Samples]:
    soundfile.write(folder / "a.wav", samples, rate, subtype="FLOAT")
    parts: list[Samples] = []
    found = decode(folder / "a.wav", memoryview((folder / "a.wav").read_bytes()), lambda: parts.append)
    return found, np.concatenate(parts)


def test_audio_of_full_scale_1_is_taken_as_it_is(tmp_path: Path) -> None:
    found, samples = heard(tmp_path, SPEECH)
    assert found.notes == []
    np.testing.assert_allclose(samples, SPEECH * 32768, atol=0.51)


@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_audio_of_another_scale_is_refused_and_not_made_square(tmp_path: Path, rate: int) -> None:
    with pytest.raises(Unreadable, match=r"far beyond full scale: samples reach .* full scale is 1; divide"):
        heard(tmp_path, SPEECH * 32768, rate)


def test_clipping_is_told_where_it_is_more_than_an_overshoot(tmp_path: Path) -> None:
    assert heard(tmp_path, SPEECH * 4)[0].notes == ["clipped at full scale"]
    little = SPEECH.copy()
    little[7] = 1.2
    found, samples = heard(tmp_path, little)
    assert found.notes == []
    assert samples[7] == 32767


def test_audio_without_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="samples that are no numbers: all of them"):
        heard(tmp_path, np.full_like(SPEECH, np.nan))


def test_what_is_no_number_is_silence_and_told(tmp_path: Path) -> None:
    odd = SPEECH.copy()
    odd[[3, 5, 8]] = np.nan, np.inf, -np.inf
    found, samples = heard(tmp_path, odd)
    assert found.notes == ["silence for samples that are no numbers"]
    assert samples[[3, 5, 8]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(samples[9:], SPEECH[9:] * 32768, atol=0.51)
