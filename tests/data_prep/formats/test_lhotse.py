from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small_manifests import RATE, build, tone, write_audio

from asr.errors import UserError
from data_prep.formats.listing import list_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_audio(tmp_path)


def recording(name: str = "talk", path: str = "talk.flac", seconds: float = 4.0, **more: object) -> dict[str, object]:
    return {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": path}],
        "sampling_rate": RATE,
        "num_samples": round(seconds * RATE),
        "duration": seconds,
        "channel_ids": [0],
        **more,
    }


def supervision(name: str, start: object, seconds: float, **more: object) -> dict[str, object]:
    usual = {"id": name, "recording_id": "talk", "start": start, "duration": seconds, "channel": 0}
    return usual | {"text": name.upper(), "speaker": "anna"} | more


def cut(name: str, start: object, seconds: float, *said: dict[str, object], **more: object) -> dict[str, object]:
    usual: dict[str, object] = {"id": name, "start": start, "duration": seconds, "channel": 0}
    return usual | {"supervisions": list(said), "recording": recording(), "type": "MonoCut"} | more


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def told(folder: Path, name: str) -> tuple[list[tuple[str, float, float, str | None]], str]:
    rows, table = build(folder, name)
    return [(u.id, u.offset, u.duration, u.text) for u in rows], table


def test_supervisions_of_a_cut_are_placed_in_its_recording(folder: Path) -> None:
    above = recording(path="../talk.flac")
    write(
        folder / "m" / "x_cuts.jsonl.gz",
        cut("whole", 0.5, 1.5, supervision("a", 0.0, 1.5), recording=above),
        cut("part", 2.0, 2.0, supervision("b", 0.25, 0.5), supervision("c", 1.0, 1.0), recording=above),
    )
    rows, table = told(folder, "m")
    assert rows == [("a", 0.5, 1.5, "A"), ("b", 2.25, 0.5, "B"), ("c", 3.0, 1.0, "C")]
    assert "left out, " not in table


def test_cuts_without_supervisions_are_untranscribed(folder: Path) -> None:
    write(folder / "cuts.jsonl", cut("one", 0.5, 1.5))
    (source,) = list_manifest(folder / "cuts.jsonl").sources
    assert (source.id, source.offset, source.seconds, source.text) == ("one", 0.5, 1.5, None)


def test_supervisions_find_the_recordings_beside_them(folder: Path) -> None:
    write(folder / "m" / "libri_recordings_dev.jsonl.gz", recording(path="../talk.flac"), recording("other"))
    write(
        folder / "m" / "libri_supervisions_dev.jsonl.gz",
        supervision("a", 0.5, 1.5),
        supervision("b", 0.0, 1.0, recording_id="gone"),
    )
    for name in ("m", "m/libri_supervisions_dev.jsonl.gz"):
        rows, table = told(folder, name)
        assert rows == [("a", 0.5, 1.5, "A")]
        assert "left out, recording is not in the manifest of recordings: 1" in table
        assert "left out, recording without a supervision: 1" in table
    (source, _) = list_manifest(folder / "m" / "libri_recordings_dev.jsonl.gz").sources
    assert (source.id, source.text, source.claim) == ("other", None, 4.0)
    (folder / "m" / "libri_recordings_dev.jsonl.gz").unlink()
    with pytest.raises(UserError, match="no manifest of recordings beside it"):
        list_manifest(folder / "m")


def test_several_manifests_in_a_folder_are_not_chosen_from(folder: Path) -> None:
    for part in ("dev", "test"):
        write(folder / "m" / f"cuts_{part}.jsonl.gz", cut(part, 0, 1))
    with pytest.raises(UserError, match=r"several manifests of cuts \(cuts_dev.jsonl.gz, cuts_test.jsonl.gz\)"):
        list_manifest(folder / "m")
    assert [s.id for s in list_manifest(folder / "m" / "cuts_test.jsonl.gz").sources] == ["test"]


def test_what_lhotse_computes_when_audio_is_loaded_is_refused_by_name(folder: Path) -> None:
    odd = {
        "mixed": {"id": "mixed", "tracks": [], "type": "MixedCut"},
        "padding": {"id": "padding", "duration": 1.0, "sampling_rate": RATE, "type": "PaddingCut"},
        "features": cut("features", 0, 1, recording=None),
        "speed": cut("speed", 0, 1, recording=recording(transforms=[{"name": "Speed"}])),
        "pipe": cut("pipe", 0, 1, recording=recording(sources=[{"type": "command", "channels": [0], "source": "x |"}])),
        "multi": cut("multi", 0, 1, type="MultiCut", channel=[0, 1]),
        "beyond": cut("beyond", 0, 1, supervision("s", 0.5, 1.0)),
        "channel": cut("channel", 0, 1, channel=1),
    }
    listing = list_manifest(write(folder / "cuts.jsonl", cut("fine", 0, 1), *odd.values()))
    assert [source.id for source in listing.sources] == ["fine"]
    assert [(r.path.rpartition(" ")[2], r.reason) for r in listing.rejections] == [
        ("2", "a cut without a recording of its own"),
        ("3", "a cut without a recording of its own"),
        ("4", "a cut without a recording of its own"),
        ("5", "audio is changed as it is loaded"),
        ("6", "a command instead of a file"),
        ("7", "several channels at once"),
        ("8", "a cut within an utterance"),
        ("9", "no such channel"),
    ]


def test_a_recording_whose_length_is_not_the_audio_s_is_refused_by_name(folder: Path) -> None:
    write(
        folder / "cuts.jsonl", cut("a", 0, 1), cut("b", 0, 1, supervision("b", 0, 1), recording=recording(seconds=9.0))
    )
    with pytest.raises(UserError, match=r"length differs: 1\n.*9\.00 s are declared, 4\.00 s are there"):
        build(folder, "cuts.jsonl")


def test_a_channel_is_one_of_its_file(folder: Path) -> None:
    soundfile.write(folder / "call.wav", np.stack([tone(2), tone(2) // 4], 1), RATE)
    both = recording("call", "call.wav", 2.0, sources=[{"type": "file", "channels": [0, 1], "source": "call.wav"}])
    said = [supervision(f"s{n}", 0, 2, channel=n, recording_id="call") for n in (0, 1)]
    write(folder / "recordings.jsonl", both)
    write(folder / "supervisions.jsonl", *said)
    rows, _ = build(folder, "supervisions.jsonl")
    peaks = [int(np.abs(soundfile.read(u.audio_filepath, dtype="int16")[0]).max()) for u in rows]
    assert peaks[0] == pytest.approx(4 * peaks[1], rel=0.01)


def sources(*said: object) -> dict[str, object]:
    return recording(sources=list(said))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (cut("x", 0, 2, supervision("s", None, 1)), "field 'start' must be a number of seconds.*found None"),
        (cut("x", 0, 2, supervision("s", "0.1", 1)), "field 'start' must be a number.*found '0.1'"),
        (cut("x", 0, 2, supervision("s", math.nan, 1)), "field 'start' must be a number of seconds.*found nan"),
        (cut("x", None, 2), "field 'start' must be a number of seconds, at least 0; found None"),
        (cut("x", -1, 2), "field 'start' must be a number of seconds, at least 0; found -1"),
        (cut("x", 0, 2, supervisions=["s"]), r"field 'supervisions' must be a list of objects, found \['s'\]"),
        (cut("x", 0, 2, supervisions={"id": "s"}), "field 'supervisions' must be a list of objects"),
        (cut("x", 0, 2, recording=sources("x.flac")), r"field 'sources' must be a list of objects, found \['x.flac'\]"),
        (cut("x", 0, 2, recording=recording(sources="x.flac")), "field 'sources' must be a list of objects"),
        (cut("x", 0, 2, recording=sources({"type": "file", "channels": 0})), "field 'channels' must be a list of numb"),
        (cut("x", 0, 2, recording=sources({"type": "file", "channels": [0]})), "field 'source' must be the path of a"),
    ],
)
def test_a_cut_that_is_not_as_it_should_be_is_named(folder: Path, row: dict[str, Any], message: str) -> None:
    path = write(folder / "cuts.jsonl", cut("fine", 0, 1), row)
    with pytest.raises(UserError, match=rf"cuts\.jsonl, line 2: {message}"):
        list_manifest(path)


def test_recordings_and_supervisions_that_are_not_as_they_should_be_are_named(folder: Path) -> None:
    write(folder / "supervisions.jsonl", supervision("a", 0.5, 1.5), supervision("b", None, 1))
    write(folder / "recordings.jsonl", recording())
    with pytest.raises(UserError, match=r"supervisions\.jsonl, line 2: field 'start' must be a number of seconds"):
        list_manifest(folder / "supervisions.jsonl")
    write(folder / "recordings.jsonl", sources({"type": "file", "channels": 0, "source": "talk.flac"}))
    for name in ("supervisions.jsonl", "recordings.jsonl"):
        with pytest.raises(UserError, match=r"recordings\.jsonl, line 1: field 'channels' must be a list of numbers"):
            list_manifest(folder / name)
