from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_manifests import RATE, ROWS, build, expected, told, tone, write_audio

from asr.config import CorpusConfig
from asr.data.audio import read_samples
from asr.errors import UserError
from data_prep.formats.listing import list_manifest
from data_prep.subset import read_subset


def write(folder: Path, **tables: str | None) -> Path:
    """A data folder of the small corpus; of `tables` other content, or None for no such file."""
    usual: dict[str, str | None] = {
        "wav.scp": f"call  ../deep/call.mp3 \ntalk {folder.parent / 'talk.flac'}\n",
        "segments": "".join(
            f"{name} {Path(path).stem} {begin} {begin + length:.7f}\n" for name, _, path, begin, length, _ in ROWS
        ),
        "text": "".join(f"{row[0]} {row[5]}\n" for row in ROWS),
        "utt2spk": "".join(f"{row[0]}\t{row[1]}\n" for row in ROWS),
    }
    folder.mkdir(exist_ok=True)
    for name, content in (usual | {key.replace("v_s", "v.s"): value for key, value in tables.items()}).items():
        if content is not None:
            (folder / name).write_text(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_audio(tmp_path)
    return tmp_path / "kaldi"


def test_segments_speakers_and_relative_paths_are_read(folder: Path) -> None:
    rows, table = build(write(folder).parent, "kaldi")
    assert [(u.id, u.speaker, u.offset, u.duration, u.text) for u in rows] == [
        (row[0], row[1], row[3], row[4], row[5]) for row in expected()
    ]
    assert "left out, " not in table


def test_without_segments_an_utterance_is_a_recording_and_one_without_end_goes_to_it(folder: Path) -> None:
    texts = "talk A\ncall B\n"
    rows, _ = build(write(folder, segments=None, text=texts, utt2spk=None).parent, "kaldi")
    assert [(u.id, u.speaker, u.duration, u.text) for u in rows] == [("call", "", 3.0, "B"), ("talk", "", 4.0, "A")]
    rows, _ = build(write(folder, segments="x talk 1.5 -1\n", text="x A\n", utt2spk=None).parent, "kaldi")
    assert [(u.id, u.offset, u.duration) for u in rows] == [("x", 1.5, 2.5)]


def test_what_lhotse_writes_for_no_text_and_no_speaker_is_neither(folder: Path) -> None:
    write(folder, segments=None, text="talk None\ncall None of it\n", utt2spk="talk None\ncall None\n")
    assert [(s.id, s.text, s.speaker) for s in list_manifest(folder).sources] == [
        ("call", "None of it", ""),
        ("talk", None, ""),
    ]
    rows, table = build(folder.parent, "kaldi")
    assert [u.id for u in rows if u.text] == ["call"]
    assert table.endswith("left out, no transcript: 1\n  talk")


def test_commands_and_archives_are_refused_by_name_and_their_utterances_do_not_vanish(folder: Path) -> None:
    scp = f"call sph2pipe -f wav -p call.sph |\ntalk {folder.parent / 'talk.flac'}\nark data/raw.ark:1234\n"
    soundfile.write(folder.parent / "raw.wav", tone(1), RATE)
    segments = "anna-1 talk 0.5 1.75\nben-1 call 0 3\nben-2 call 3 4\nanna-2 ark 0 1\n"
    rows, table = build(write(folder, wav_scp=scp, segments=segments).parent, "kaldi")
    assert [u.id for u in rows] == ["anna-1"]
    assert "left out, a command instead of a file: 2" in table
    assert "line 1 (ben-1: sph2pipe -f wav -p call.sph |; run it once, and name the file it makes)" in table
    assert "left out, in a Kaldi archive: 1" in table


def test_what_has_no_audio_no_segment_or_no_speaker_is_named(folder: Path) -> None:
    scp = f"call ../deep/call.mp3\ntalk {folder.parent / 'talk.flac'}\nunused ../talk.flac\n"
    segments = "anna-1 talk 0.5 1.75\nanna-2 gone 0 1\nben-1 call 0 3\n"
    text = "anna-1 A\nanna-2 B\nben-1 C\nben-9 D\n"
    rows, table = build(
        write(folder, wav_scp=scp, segments=segments, text=text, utt2spk="anna-1 anna\nanna-2 anna\n").parent, "kaldi"
    )
    assert [u.id for u in rows] == ["anna-1"]
    for reason, detail in (
        ("recording is not in wav.scp", "segments, line 2 (anna-2: gone)"),
        ("no speaker in utt2spk", "segments, line 3 (ben-1)"),
        ("transcript without audio", "text, line 4 (ben-9)"),
        ("recording without a segment", "wav.scp, line 3 (unused)"),
    ):
        assert f"left out, {reason}: 1\n  {folder}/{detail}" in table


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"segments": "a talk 0\n"}, r"segments, line 1: expected an utterance, a recording, and where it begins"),
        ({"segments": "a talk x 1\n"}, "line 1: field 'begin' must be a number of seconds"),
        ({"segments": "a talk 2 1\n"}, "line 1: ends at 1 s, and begins at 2 s"),
        ({"segments": ""}, r"segments: no line in it, and so no utterance; delete it if each recording is one"),
        ({"reco2file_and_channel": "talk talk\n"}, "line 1: expected a recording, a file, and a channel: A or B"),
        ({"reco2file_and_channel": "talk talk C\n"}, "line 1: expected a recording, a file, and a channel: A or B"),
        ({"wav_scp": " talk a.wav\n"}, r"wav\.scp, line 1: begins with a blank; write the id first"),
        ({"wav_scp": "a a.wav\na b.wav\n"}, r"wav\.scp, line 2: id 'a' occurs twice"),
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_named(folder: Path, tables: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_manifest(write(folder, **tables))


def test_ids_in_unlike_unicode_forms_are_matched_and_in_unlike_case_are_not(folder: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    scp = f"{apart} ../talk.flac\nA ../talk.flac\na ../deep/call.mp3\n"
    rows, _ = build(
        write(folder, wav_scp=scp, segments=None, text=f"{composed} X\nA BIG\na SMALL\n", utt2spk=None).parent, "kaldi"
    )
    assert {u.id: (u.text, u.duration) for u in rows} == {
        composed: ("X", 4.0),
        "A": ("BIG", 4.0),
        "a": ("SMALL", 3.0),
    }
    with pytest.raises(UserError, match="occurs twice, or in two Unicode forms"):
        list_manifest(write(folder, wav_scp=f"{apart} a.wav\n{composed} b.wav\n"))


def call(folder: Path, scp: str, sides: str) -> Path:
    """A call of two sides in one file, 440 Hz and a fourth as loud, and the second side in a file of its own."""
    both = np.stack([tone(2), tone(2) // 4], 1)
    soundfile.write(folder.parent / "both.wav", both, RATE)
    soundfile.write(folder.parent / "second.wav", both[:, 1], RATE)
    return write(folder, wav_scp=scp, segments=None, text=None, utt2spk=None, reco2file_and_channel=sides)


def peaks(folder: Path) -> tuple[dict[str, int], list[str]]:
    """How loud each utterance is, and what was left out and why."""
    subset = read_subset(folder.parent, "kaldi", CorpusConfig(source="manifest"), folder.parent / "cache")
    found = {u.id: int(np.abs(read_samples(u.audio_filepath, 0, u.duration)).max()) for u in subset.utterances}
    return found, [str(rejection) for rejection in subset.rejections]


@pytest.mark.parametrize("names", ["AB", "ab", "12"])
def test_the_sides_of_a_call_are_channels_of_its_file(folder: Path, names: str) -> None:
    sides = f"call-a call {names[0]}\ncall-b call {names[1]}\n"
    scp = "call-a ../both.wav\ncall-b ../both.wav\n"
    assert peaks(call(folder, scp, sides)) == ({"call-a": 8000, "call-b": 2000}, [])
    found, left_out = peaks(call(folder, scp + "other ../talk.flac\n", sides))
    assert found.keys() == {"call-a", "call-b"}
    assert left_out == [f"{folder}/wav.scp, line 3: no channel in reco2file_and_channel (other: other)"]


def test_a_side_in_a_file_of_its_own_is_that_file_and_one_that_is_not_there_is_named(folder: Path) -> None:
    sides = "call-a call A\ncall-b call B\n"
    assert peaks(call(folder, "call-b ../gone.wav\n", sides))[1] == [
        f"{folder.parent}/gone.wav: unreadable (No such file or directory)"
    ]
    assert peaks(call(folder, "call-b ../second.wav\n", sides))[0] == {"call-b": 2000}
    assert peaks(call(folder, "call-b ../both.wav\n", sides))[0] == {"call-b": 2000}
    found, left_out = peaks(call(folder, "call-a ../second.wav\ncall-b ../second.wav\n", sides))
    assert found == {"call-a": 2000}
    assert left_out == [f"{folder.parent}/second.wav: no such channel (it has 1, and not 2)"]


def test_the_rows_are_those_of_other_formats(folder: Path) -> None:
    rows, _ = build(write(folder).parent, str(folder))
    assert told(folder.parent, rows) == expected()
