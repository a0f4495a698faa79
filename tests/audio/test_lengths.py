from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoded import RATE, encode, flac_without_length, heard, steps, wav_size, without_xing, write

from asr.audio.stream import Unreadable
from asr.recognizer.audio import Audio, read_audio

WAV = encode(steps(3), "WAV", "PCM_16")


def note(audio: Audio) -> str:
    (only,) = audio.notes
    return only


def said(path: Path) -> str:
    """What is wrong with a file, whether or not a decoder opens it."""
    try:
        return note(read_audio(path))
    except Unreadable as error:
        return str(error)


def test_all_of_an_mp3_of_variable_bit_rate_is_read_without_a_count_in_front(tmp_path: Path) -> None:
    whole = encode(steps(20), "MP3")
    path = write(tmp_path / "a.mp3", without_xing(whole))
    assert abs(soundfile.info(path).duration - 20) > 1, "libsndfile's guess is right, or this test tests nothing"
    audio = read_audio(path)
    # An encoder's padding stays, up to two frames of 36 ms and its delay.
    assert 20 <= audio.seconds < 20.2
    assert [heard(audio.samples, second) for second in range(20)] == [300 + 50 * second for second in range(20)]
    assert audio.notes == []
    assert read_audio(write(tmp_path / "b.mp3", whole)).seconds == 20


@pytest.mark.parametrize("tagged", [True, False])
def test_joined_mp3s_are_read_to_the_end_of_the_last(tmp_path: Path, tagged: bool) -> None:
    one, two = encode(steps(4), "MP3"), encode(steps(3, 2000), "MP3")
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    content = one + two if tagged else without_xing(one) + tag + without_xing(two) + b"TAG" + bytes(125)
    audio = read_audio(write(tmp_path / "a.mp3", content))
    assert 7 <= audio.seconds < 7.3
    assert heard(audio.samples, 3) == 450
    assert heard(audio.samples, 6) in (2050, 2100)
    assert note(audio) == "2 recordings one after the other"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_to_the_end_of_the_last_link(tmp_path: Path, subtype: str) -> None:
    content = b"".join(encode(steps(seconds, first), "OGG", subtype) for seconds, first in ((4, 300), (3, 2000)))
    path = write(tmp_path / "a.ogg", content)
    assert soundfile.info(path).duration < 5, "libsndfile reads all of it, or this test tests nothing"
    audio = read_audio(path)
    assert len(audio.samples) == 7 * RATE
    assert (heard(audio.samples, 3), heard(audio.samples, 6)) == (450, 2100)
    assert note(audio) == "2 recordings one after the other"


def test_recordings_of_unlike_rates_are_joined_at_16_khz(tmp_path: Path) -> None:
    content = encode(steps(4, rate=44_100), "OGG", "VORBIS", 44_100) + encode(steps(3, 2000), "OGG", "VORBIS")
    audio = read_audio(write(tmp_path / "a.ogg", content))
    assert len(audio.samples) == 7 * RATE
    assert (heard(audio.samples, 3), heard(audio.samples, 6)) == (450, 2100)
    assert audio.notes == ["2 recordings one after the other", "resampled from 44100 Hz"]


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("MP3", None),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("FLAC", "PCM_16"),
        ("WAV", "PCM_16"),
        ("WAV", "IMA_ADPCM"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("NIST", "PCM_16"),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_file_that_was_cut_says_so(tmp_path: Path, form: str, subtype: str | None, share: float) -> None:
    content = encode(steps(20), form, subtype)
    audio = read_audio(write(tmp_path / "a", content[: int(share * len(content))]))
    assert note(audio).startswith(("truncated: ", "damaged: "))
    assert 0.2 * 20 < audio.seconds < 20
    whole = read_audio(write(tmp_path / "b", content))
    assert whole.notes == []
    assert whole.seconds == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_caf_that_was_cut_says_so_whether_or_not_libsndfile_opens_it(tmp_path: Path, share: float) -> None:
    content = encode(steps(3), "CAF", "PCM_16")
    assert "truncated: " in said(write(tmp_path / "a.caf", content[: int(share * len(content))]))


@pytest.mark.parametrize("pages", [1, 2])
def test_an_ogg_that_was_cut_between_pages_says_so(tmp_path: Path, pages: int) -> None:
    content = encode(steps(20), "OGG", "OPUS")
    for _ in range(pages):
        content = content[: content.rindex(b"OggS")]
    audio = read_audio(write(tmp_path / "a.opus", content))
    assert note(audio) == "truncated: its last page is not marked as the last"


def test_an_mp3_without_a_count_that_ends_within_a_frame_says_so(tmp_path: Path) -> None:
    audio = read_audio(write(tmp_path / "a.mp3", without_xing(encode(steps(4), "MP3"))[:-10]))
    assert note(audio) == "truncated: its last frame is cut"
    assert 3.9 < audio.seconds < 4.2


def test_an_ogg_that_lacks_pages_within_says_so(tmp_path: Path) -> None:
    content = encode(steps(20), "OGG", "OPUS")
    last = content.rindex(b"OggS")
    before = content.rindex(b"OggS", 0, last)
    audio = read_audio(write(tmp_path / "a.opus", content[:before] + content[last:]))
    assert note(audio) == "damaged: 1 pages are missing within"


def test_pages_whose_content_has_changed_are_missed(tmp_path: Path) -> None:
    content = bytearray(encode(steps(20), "OGG", "OPUS"))
    middle = content.index(b"OggS", len(content) // 2)
    # The header says that the page is whole, its sum that it is not.
    content[middle + 200] ^= 0xFF
    audio = read_audio(write(tmp_path / "a.opus", bytes(content)))
    assert "can be decoded, where 20.00 s should be" in note(audio)


def test_the_end_of_a_longer_stream_is_named_as_such(tmp_path: Path) -> None:
    content = bytearray(encode(steps(4), "OGG", "OPUS"))
    place = content.index(b"OggS")
    while (place := content.find(b"OggS", place + 1)) > 0:
        time = int.from_bytes(content[place + 6 : place + 14], "little")
        content[place + 6 : place + 14] = (time + 48_000 * 1000 if time else 0).to_bytes(8, "little")
    with pytest.raises(Unreadable, match=r"truncated: begins at 100\d\.\d s of a longer recording"):
        read_audio(write(tmp_path / "a.opus", bytes(content)))


@pytest.mark.parametrize(
    "content",
    [
        wav_size(WAV, 0),
        wav_size(WAV, 0, 0),
        wav_size(WAV, 0xFFFFFFFF, 0xFFFFFFFF),
        wav_size(WAV, 0x7FFFF000),
        wav_size(WAV, 0x7FFFFFFF - 36, 0x7FFFFFFF),
        wav_size(WAV, 0x40000000),
        wav_size(WAV, 0x7D000000, 0),
        wav_size(WAV, 3 * 2 * RATE, 0x3FFFFFF0),
        wav_size(WAV, 3 * 2 * RATE, 0),
    ],
)
def test_a_wav_whose_recorder_died_or_wrote_to_a_pipe_is_read_whole(tmp_path: Path, content: bytes) -> None:
    audio = read_audio(write(tmp_path / "a.wav", content))
    np.testing.assert_array_equal(audio.samples, steps(3))
    assert audio.notes == []


def test_an_rf64_whose_recorder_died_is_read_whole(tmp_path: Path) -> None:
    content = encode(steps(3), "RF64", "PCM_16")
    place = content.index(b"ds64") + 8
    audio = read_audio(write(tmp_path / "a.wav", content[:place] + bytes(24) + content[place + 24 :]))
    np.testing.assert_array_equal(audio.samples, steps(3))


def test_an_aiff_that_was_written_to_a_pipe_is_read_whole(tmp_path: Path) -> None:
    content = encode(steps(3), "AIFF", "PCM_16")
    place = content.index(b"SSND") + 4
    size = (0x7F000000 + 8).to_bytes(4, "big")
    audio = read_audio(write(tmp_path / "a.aiff", content[:place] + size + content[place + 4 :]))
    np.testing.assert_array_equal(audio.samples, steps(3))
    assert audio.notes == []
    audio = read_audio(write(tmp_path / "b.aiff", content[:place] + bytes(4) + content[place + 4 :]))
    assert note(audio).startswith("length unknown: ")


def test_a_wav_without_any_audio_is_none(tmp_path: Path) -> None:
    empty = encode(steps(0), "WAV", "PCM_16")
    for content in (empty, empty + b"LIST\x04\x00\x00\x00INFO"):
        with pytest.raises(Unreadable, match="no audio in it"):
            read_audio(write(tmp_path / "a.wav", content))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF", "NIST"])
def test_files_that_were_joined_where_decoders_stop_at_the_first_say_so(tmp_path: Path, form: str) -> None:
    content = encode(steps(3), form, "PCM_16")
    assert "joined files?" in said(write(tmp_path / "a", content + content))


def test_what_follows_on_the_audio_as_a_chunk_or_as_zeros_is_no_loss(tmp_path: Path) -> None:
    chunks = {"WAV": b"LIST\x04\x00\x00\x00INFO", "AIFF": b"ANNO\x00\x00\x00\x04INFO", "FLAC": b""}
    for form, chunk in chunks.items():
        for tail in (chunk, bytes(600), b"TAG" + bytes(125)):
            audio = read_audio(write(tmp_path / "a", encode(steps(3), form, "PCM_16") + tail))
            assert audio.notes == []
            np.testing.assert_array_equal(audio.samples, steps(3))


def test_a_flac_that_was_written_to_a_pipe_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", flac_without_length(encode(steps(20), "FLAC", "PCM_16")))
    assert soundfile.info(path).frames == 2**63 - 1
    np.testing.assert_array_equal(read_audio(path).samples, steps(20))


def test_a_flac_that_is_damaged_says_where(tmp_path: Path) -> None:
    content = bytearray(encode(steps(20), "FLAC", "PCM_16"))
    content[len(content) // 2] ^= 0x55
    audio = read_audio(write(tmp_path / "a.flac", bytes(content)))
    assert note(audio).startswith("damaged: ")
    assert note(audio).endswith(f"after {audio.seconds:.1f} of 20.0 s")


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        *(("NIST", "PCM_16"), ("NIST", "ULAW"), ("W64", "PCM_16"), ("AIFF", "PCM_24"), ("AIFF", "ULAW")),
        *(("AU", "ALAW"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("RF64", "FLOAT"), ("WAV", "GSM610")),
    ],
)
def test_every_container_that_corpora_come_in_is_read(tmp_path: Path, form: str, subtype: str) -> None:
    # libsndfile writes integers into floating point files as they are.
    content = steps(4) / 32768 if subtype == "FLOAT" else steps(4)
    audio = read_audio(write(tmp_path / "a", encode(content, form, subtype)))
    assert audio.seconds == pytest.approx(4, abs=0.05)
    assert [heard(audio.samples, second) for second in range(3)] == [300, 350, 400]
    assert audio.notes == []


def test_compressed_sphere_is_refused_with_the_remedy(tmp_path: Path) -> None:
    content = encode(steps(1), "NIST", "PCM_16")
    place = content.index(b"sample_coding")
    line = b"sample_coding -s26 pcm,embedded-shorten-v2.00\n"
    end = content.index(b"\n", place) + 1
    grown = content[:place] + line + content[end:1024]
    with pytest.raises(Unreadable, match=r"compressed SPHERE: .*sph2pipe"):
        read_audio(write(tmp_path / "a.sph", grown[:1024] + content[1024:]))


def test_pipes_empty_files_and_what_is_no_audio_are_refused_without_waiting(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.wav")
    for path, found in (
        (tmp_path / "pipe.wav", "not a regular file"),
        (write(tmp_path / "empty.mp3", b""), "empty file"),
        (write(tmp_path / "text.mp3", b"this is no audio" * 100), "unreadable"),
        (tmp_path / "gone.wav", "No such file"),
    ):
        with pytest.raises(Unreadable, match=found):
            read_audio(path)


@pytest.mark.parametrize(
    "command",
    [
        "lame --quiet -t -V 9 a.wav b.mp3",
        "lame --quiet a.wav b.mp3",
        "ffmpeg -loglevel error -i a.wav -q:a 9 -f mp3 - | cat > b.mp3",
        "ffmpeg -loglevel error -i a.wav -f wav - | cat > b.wav",
        "ffmpeg -loglevel error -i a.wav -f flac - | cat > b.flac",
        "ffmpeg -loglevel error -i a.wav -c:a libopus b.opus",
        "ffmpeg -loglevel error -i a.wav -c:a libvorbis b.ogg",
        "sox a.wav -t wav - | cat > b.wav",
        "sox a.wav b.sph",
        "sox a.wav b.caf",
        "sox a.wav b.w64",
        "sox a.wav -t aiff - | cat > b.aiff",
        "sox a.wav -t au - | cat > b.au",
        "opusenc --quiet a.wav b.opus",
        "oggenc -Q a.wav -o b.ogg",
        "flac -s -c - < a.wav | cat > b.flac",
    ],
)
def test_what_other_programs_write_is_read_whole(tmp_path: Path, command: str) -> None:
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"{command.split()[0]} is not installed")
    write(tmp_path / "a.wav", encode(steps(20), "WAV", "PCM_16"))
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    (path,) = tmp_path.glob("b.*")
    audio = read_audio(path)
    # lame and FFmpeg add up to a frame and their delay.
    assert 20 <= audio.seconds < 20.2
    assert not [n for n in audio.notes if not n.startswith("resampled")]
    assert heard(audio.samples, 19) == 1250
