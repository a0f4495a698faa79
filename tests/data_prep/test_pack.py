from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoded import encode

from asr.cli.main import main
from asr.config import CorpusConfig
from asr.data import packed
from asr.data.audio import AudioReader, Samples, read_samples
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.data.packed import PACK, find_place
from asr.errors import UserError
from data_prep import pack as packing
from data_prep.formats.listing import list_any
from data_prep.manifests import build_manifests
from data_prep.pack import SUMS, pack

RNG = np.random.default_rng(0)


def noise(seconds: float) -> Samples:
    return RNG.integers(-9000, 9000, round(seconds * 16_000)).astype(np.int16)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five FLACs of two speakers, with text, one WAV, and an MP3."""
    folder = tmp_path / "speech"
    for speaker in (1, 2):
        place = folder / f"{speaker}" / "1"
        place.mkdir(parents=True)
        names = [f"{speaker}-1-{row:04d}" for row in range(speaker + 1)]
        for name in names:
            soundfile.write(place / f"{name}.flac", noise(1.0), 16_000)
        (place / f"{speaker}-1.trans.txt").write_text("".join(f"{name} SEA SHELLS\n" for name in names))
    soundfile.write(folder / "wav.wav", noise(1.5), 16_000)
    (folder / "other.mp3").write_bytes(encode(noise(2.0), "MP3"))
    return folder


def make(corpus: Path, out: Path, most: int = 40_000) -> Path:
    pack(list_any(corpus), out, most, lambda _: None)
    return out


def reading(manifest: Path, max_errors: int = 0) -> list[Samples]:
    rows = read_manifest(manifest)
    reader = AudioReader(2, max_errors)
    try:
        return reader.gather(reader.submit(rows, range(len(rows))))
    finally:
        reader.close()


def test_files_lie_in_tars_as_they_are_and_sums_are_right(corpus: Path, tmp_path: Path) -> None:
    out = make(corpus, tmp_path / "pack")
    originals = {p.stem: p.read_bytes() for p in corpus.rglob("*") if p.suffix in (".flac", ".wav", ".mp3")}
    found: dict[str, bytes] = {}
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                found[Path(member.name).stem] = file.read()
    assert found == originals
    assert len(list(out.glob("*.tar"))) > 2
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", SUMS], cwd=out, check=True)
    rows = read_manifest(out / PACK)
    assert {u.id: u.text for u in rows if u.text} == {
        name: "SEA SHELLS" for name in originals if name not in ("wav", "other")
    }
    for row in rows:
        place = find_place(row.audio_filepath)
        assert place is not None
        assert Path(place.tar).read_bytes()[place.first : place.first + place.size] == originals[row.id]
    assert not list(out.glob(".*.json"))


def test_training_rows_of_a_pack_are_read_where_they_lie_and_have_the_samples_of_the_files(
    corpus: Path, tmp_path: Path
) -> None:
    out = make(corpus, tmp_path / "pack")
    built: dict[str, Path] = {}
    for name, settings in (
        ("files", CorpusConfig(source="local", labeled=(corpus.name,), unlabeled=())),
        ("pack", CorpusConfig(source="manifest", labeled=(out.name,), unlabeled=())),
    ):
        built[name] = tmp_path / name
        build_manifests(settings, tmp_path, tmp_path / name / "cache", tmp_path / name)
    rows = {name: read_manifest(folder / "labeled.jsonl") for name, folder in built.items()}
    assert [(u.id, u.duration, u.speaker, u.text) for u in rows["pack"]] == [
        (u.id, u.duration, "", u.text) if not u.speaker else (u.id, u.duration, u.speaker, u.text)
        for u in rows["files"]
    ]
    assert len(rows["pack"]) == 5
    assert all(find_place(u.audio_filepath) for u in rows["pack"])
    for one, other in zip(*(reading(folder / "labeled.jsonl") for folder in built.values()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_trained_on_in_place_is_decoded_out_of_the_pack(corpus: Path, tmp_path: Path) -> None:
    out = make(corpus, tmp_path / "pack")
    settings = CorpusConfig(source="manifest", labeled=(out.name,), unlabeled=(out.name,))
    build_manifests(settings, tmp_path, tmp_path / "cache", tmp_path / "built")
    rows = {u.id: u for u in read_manifest(tmp_path / "built" / "unlabeled.jsonl")}
    assert find_place(rows["wav"].audio_filepath)
    assert Path(rows["other"].audio_filepath).is_relative_to(tmp_path / "cache")
    assert len(read_samples(rows["other"].audio_filepath, 0.0, rows["other"].duration)) == 32_000


def test_of_a_long_recording_only_what_a_row_needs_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: Path
) -> None:
    long = noise(30.0)
    soundfile.write(tmp_path / "long.flac", long, 16_000)
    rows = [Utterance(f"u{n}", str(tmp_path / "long.flac"), 2.0, 10.0 + 2 * n) for n in range(3)]
    write_manifest(tmp_path / "rows.jsonl", [*rows, Utterance("x", str(corpus / "wav.wav"), 1.5)])
    out = make(tmp_path / "rows.jsonl", tmp_path / "pack")
    listed = read_manifest(out / PACK)
    assert len({u.audio_filepath for u in listed}) == 2
    monkeypatch.setattr(packed, "MOST_WHOLE", 100_000)
    read: list[int] = []
    real = packed._read
    monkeypatch.setattr(packed, "_read", lambda file, count, first: read.append(count) or real(file, count, first))
    for row in listed:
        if row.id != "x":
            first = round(row.offset * 16_000)
            found = read_samples(row.audio_filepath, row.offset, row.duration)
            np.testing.assert_array_equal(found, long[first : first + 32_000])
    place = find_place(listed[0].audio_filepath)
    assert place is not None
    assert place.size > 600_000
    assert sum(read) < 3 * place.size / 2
    with pytest.raises(UserError, match="the bytes there are others than were packed"):
        read_samples(str(packed.Place(place.tar, place.first, place.size - 1, place.crc)), 10.0, 2.0)


@pytest.mark.parametrize("long", [False, True])
def test_a_truncated_tar_is_an_error_that_names_it_and_the_utterance(
    long: bool, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if long:
        monkeypatch.setattr(packed, "MOST_WHOLE", 0)
    out = make(corpus, tmp_path / "pack", 10**9)
    tar = out / "audio-00000.tar"
    tar.write_bytes(tar.read_bytes()[:60_000])
    with pytest.raises(
        UserError, match=r"utterance '2-1-0002': .*audio-00000\.tar:\d+:\d+:\S+: the shard is truncated"
    ):
        reading(out / PACK)


def test_a_byte_that_differs_or_another_shard_of_that_name_is_an_error(corpus: Path, tmp_path: Path) -> None:
    out = make(corpus, tmp_path / "pack", 10**9)
    tar = out / "audio-00000.tar"
    content = bytearray(tar.read_bytes())
    place = find_place(read_manifest(out / PACK)[1].audio_filepath)
    assert place is not None
    content[place.first + place.size // 2] ^= 1
    tar.write_bytes(content)
    with pytest.raises(UserError, match=r"'1-1-0001': .*audio-00000\.tar.*others than were packed.*copy it again"):
        reading(out / PACK)
    # Stage 1 leaves it out, by name.
    settings = CorpusConfig(source="manifest", labeled=(out.name,), unlabeled=())
    summary = build_manifests(settings, tmp_path, tmp_path / "cache", tmp_path / "built")[0]
    assert (f"{tar}/1-1-0001", "damaged") in [(r.path, r.reason) for r in summary.rejections]


def test_a_pack_moves_as_a_whole_and_manifests_of_where_it_was_say_so(corpus: Path, tmp_path: Path) -> None:
    out = make(corpus, tmp_path / "pack")
    settings = CorpusConfig(source="manifest", labeled=(out.name,), unlabeled=())
    build_manifests(settings, tmp_path, tmp_path / "cache", tmp_path / "built")
    out.rename(tmp_path / "moved")
    packed._opened.cache_clear()
    with pytest.raises(
        UserError, match=r"'1-1-0000': .*no such folder; if the pack was moved, put it back, or name it"
    ):
        reading(tmp_path / "built" / "labeled.jsonl")
    assert len(reading(tmp_path / "moved" / PACK, max_errors=1)) == 7


def test_a_pack_goes_on_where_it_was_interrupted(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(corpus, tmp_path / "whole")
    out = tmp_path / "pack"
    real, written = packing._write_shard, list[str]()

    def until_the_third(shard: packing.Shard, folder: Path) -> packing.Packed:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(shard.name)
        return real(shard, folder)

    monkeypatch.setattr(packing, "_write_shard", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        make(corpus, out)
    assert not (out / PACK).exists()
    # The second is damaged meanwhile, and written anew.
    (out / written[1]).write_bytes(b"")
    again: list[str] = []
    monkeypatch.setattr(packing, "_write_shard", lambda shard, to: again.append(shard.name) or real(shard, to))
    make(corpus, out)
    assert again[0] == written[1]
    assert written[0] not in again
    for path in whole.iterdir():
        if path.suffix in (".tar", ".jsonl") or path.name == SUMS:
            assert path.read_bytes() == (out / path.name).read_bytes()


def test_a_folder_that_holds_something_else_is_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pack", str(corpus), str(tmp_path / "pack"), "--megabytes", "0.07"]
    assert main(command) == 0
    assert "7 utterances, 0.00 h" in capsys.readouterr().out
    assert main(command) == 0
    assert "packed already" in capsys.readouterr().out
    soundfile.write(corpus / "new.wav", noise(1.0), 16_000)
    assert main(command) == 2
    assert "the corpus has changed since; name another folder" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "audio-00000.tar").write_bytes(b"mine")
    assert main(["pack", str(corpus), str(tmp_path / "mine")]) == 2
    assert "is in the way" in capsys.readouterr().err
    assert (tmp_path / "mine" / "audio-00000.tar").read_bytes() == b"mine"


def test_what_was_left_out_is_said_each_time(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "torn.wav").write_bytes(b"RIFF")
    command = ["pack", str(corpus), str(tmp_path / "pack")]
    said = []
    for _ in range(2):
        assert main(command) == 2
        out, err = capsys.readouterr()
        said.append((out, err[err.index("error:") :]))
    assert said[0] == said[1]
    assert "error: 1 were left out:" in said[0][1]
    assert "torn: unreadable (" in said[0][1]
    (tmp_path / "pack" / "rejected.jsonl").unlink()
    assert main(command) == 2
    assert "rejected.jsonl, which say what was left out, are not as they were written" in capsys.readouterr().err
