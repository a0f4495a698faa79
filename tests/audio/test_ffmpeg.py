from __future__ import annotations

import sys
from pathlib import Path

import pytest
from encoded import RATE, heard, steps

from asr.audio.stream import Unreadable
from asr.recognizer.audio import read_audio

KINDS = [("m4a", "aac"), ("mp4", "aac"), ("webm", "libopus"), ("aac", "aac"), ("mka", "pcm_s16le")]


def write_av(path: Path, codec: str, tracks: int = 1) -> Path:
    """12 s in a container of FFmpeg's."""
    av = pytest.importorskip("av")
    samples = steps(12)[None]
    form = {".m4a": "ipod", ".aac": "adts", ".mka": "matroska"}.get(path.suffix)
    # Its index in front, without which a cut file is no file at all.
    options = {"movflags": "faststart"} if path.suffix in (".m4a", ".mp4") else {}
    with av.open(str(path), "w", format=form, options=options) as container:
        streams = [
            container.add_stream(codec, rate=48_000 if codec == "libopus" else RATE, layout="mono")
            for _ in range(tracks)
        ]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_what_libsndfile_cannot_read_is_read_by_ffmpeg(tmp_path: Path, suffix: str, codec: str) -> None:
    audio = read_audio(write_av(tmp_path / f"a.{suffix}", codec))
    assert audio.seconds == pytest.approx(12, abs=0.15)
    assert [heard(audio.samples, second) for second in (0, 5, 11)] == [300, 550, 850]
    assert not [note for note in audio.notes if not note.startswith("resampled")]


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_without_the_package_the_remedy_is_named(
    tmp_path: Path, suffix: str, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_av(tmp_path / f"a.{suffix}", codec)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Unreadable, match=r'needs the extra `av`: run: pip install "kappa-asr\[av\]"'):
        read_audio(path)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("webm", "libopus")])
def test_one_that_was_cut_says_so(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_av(tmp_path / f"a.{suffix}", codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    audio = read_audio(path)
    assert audio.seconds < 11
    assert [note for note in audio.notes if note.startswith(("truncated: ", "damaged: "))]


def test_of_several_tracks_the_first_is_used_and_the_others_are_named(tmp_path: Path) -> None:
    audio = read_audio(write_av(tmp_path / "a.mka", "pcm_s16le", tracks=2))
    assert audio.notes == ["several streams: 2 tracks of audio at once; the first is used"]


def test_what_neither_reads_names_both(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "a.m4a").write_bytes(b"this is no audio" * 100)
    with pytest.raises(Unreadable, match="unreadable: Format not recognised; FFmpeg: Invalid data"):
        read_audio(tmp_path / "a.m4a")
