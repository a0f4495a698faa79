from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from asr.data.manifest import Manifest, Utterance
from asr.pseudo.label import Label
from asr.pseudo.writers import Form, write_labels
from data_prep.formats.listing import list_manifest

CACHE = "/cache/0a/0a123456789012345678.flac"
PLACES = ("/p/a-0.tar:512:9:0000000a", "/p/a-0.tar:1536:9:0000000b")


def written(folder: Path, form: Form, *utterances: Utterance) -> list[dict[str, Any]]:
    """The rows that labels of all utterances become."""
    labels = {u.id: Label(row, (1,), text="A") for row, u in enumerate(utterances)}
    write_labels(folder, Manifest(utterances), labels, form)
    (path,) = (folder / form).iterdir()
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def test_labels_of_packed_audio_are_read_back_under_their_ids(tmp_path: Path) -> None:
    rows = written(tmp_path, "nemo", *(Utterance(name, place, 1.0) for name, place in zip("ab", PLACES, strict=True)))
    assert [row["id"] for row in rows] == ["a", "b"]
    found = list_manifest(tmp_path / "nemo" / "labels.json").sources
    assert [(s.id, s.text, s.path, s.part) for s in found] == [
        ("a", "A", "/p/a-0.tar", (512, 9)),
        ("b", "A", "/p/a-0.tar", (1536, 9)),
    ]


@pytest.mark.parametrize(
    ("rows", "recordings"),
    [
        ([("x-1", "/a/talk.flac", 1.0), ("x-2", "/a/talk.flac", 2.0)], ["talk", "talk"]),
        ([("talk", CACHE, 0.0)], ["talk"]),
        ([("talk-0000000", CACHE, 0.0), ("talk-0001225", CACHE, 12.25)], ["talk", "talk"]),
        ([("one", CACHE, 1.0), ("two", CACHE, 2.0)], [Path(CACHE).name] * 2),
        ([("one", CACHE, 1.0)], [Path(CACHE).name]),
        ([("a", PLACES[0], 0.0), ("b", PLACES[1], 0.0)], ["a", "b"]),
        ([("a-7", PLACES[0], 1.0), ("b-7", PLACES[1], 1.0)], [Path(place).name for place in PLACES]),
        ([("a-1", "/a/1.flac", 0.0), ("b-1", "/b/1.flac", 0.0)], ["a-1", "b-1"]),
        ([("u", "/a/1.flac", 1.0), ("v", "/b/1.flac", 2.0)], ["/a/1.flac", "/b/1.flac"]),
    ],
)
def test_a_recording_has_the_name_that_its_file_or_its_utterances_have_and_no_other_s(
    tmp_path: Path, rows: list[tuple[str, str, float]], recordings: list[str]
) -> None:
    utterances = [Utterance(name, path, 1.0, offset) for name, path, offset in rows]
    assert [row["recording_id"] for row in written(tmp_path, "lhotse", *utterances)] == recordings
