from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_model import make_run

from asr.cli.main import main
from asr.data.manifest import read_manifest
from asr.pseudo.shards import read_labels_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def podcasts(tmp_path: Path) -> Path:
    """Two short recordings, one of them stereo, a long one with a pause in the middle, and one that is no audio."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "podcasts"
    folder.mkdir()
    for name, seconds, channels in (("one", 1.5, 1), ("two", 2.0, 2), ("long", 9.0, 1)):
        samples = rng.integers(-3000, 3000, (int(seconds * 16_000), channels)).astype(np.int16)
        if name == "long":
            samples[70_000:80_000] //= 1000
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
    (folder / "torn.wav").write_bytes(b"RIFF")
    return folder


def label(run: Path, corpus: Path, out: Path, *options: str) -> int:
    return main(["label", str(run), str(corpus), "--out", str(out), *options])


def test_a_folder_of_audio_is_labeled_and_what_cannot_be_is_named(
    run: Path, podcasts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels"
    assert label(run, podcasts, out, "--longest", "6") == 0
    assert "torn.wav" in capsys.readouterr().err
    rows = list(read_manifest(out / "corpus" / "manifest.jsonl"))
    assert len(rows) >= 4
    assert sum(row.duration for row in rows) == pytest.approx(1.5 + 2.0 + 9.0, abs=1e-3)
    assert max(row.duration for row in rows) <= 6
    assert sorted(read_labels_folder(out)[0]) == sorted(row.id for row in rows)
    assert label(run, podcasts, out, "--longest", "6") == 0

    (podcasts / "more.wav").write_bytes((podcasts / "one.wav").read_bytes())
    assert label(run, podcasts, out, "--longest", "6") == 2
    assert "has changed since" in capsys.readouterr().err


def test_a_kaldi_folder_of_the_same_audio_has_the_same_labels(run: Path, podcasts: Path, tmp_path: Path) -> None:
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text("".join(f"{name} {podcasts / name}.wav\n" for name in ("one", "two")))
    (podcasts / "long.wav").unlink()
    (podcasts / "torn.wav").unlink()
    assert label(run, podcasts, tmp_path / "a") == 0
    assert label(run, kaldi, tmp_path / "b") == 0
    one, other = ({n: label.text for n, label in read_labels_folder(tmp_path / x)[0].items()} for x in "ab")
    assert one == other
    assert sorted(one) == ["one", "two"]


def test_a_manifest_of_our_own_is_taken_as_it_is(
    run: Path, podcasts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (podcasts / "torn.wav").unlink()
    assert label(run, podcasts, tmp_path / "a") == 0
    manifest = tmp_path / "a" / "corpus" / "manifest.jsonl"
    assert label(run, manifest, tmp_path / "b") == 0
    assert not (tmp_path / "b" / "corpus").exists()
    assert label(run, manifest, tmp_path / "c", "--longest", "3") == 2
    assert "says itself" in capsys.readouterr().err


def test_a_corpus_without_audio_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert label(run, tmp_path / "empty", tmp_path / "out") == 2
    assert "no audio that can be labeled" in capsys.readouterr().err


def test_two_language_models_of_one_name_are_two_makers(
    run: Path, podcasts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text")
    (podcasts / "torn.wav").unlink()
    for folder, text in (("a", "SHE SELLS SEA SHELLS"), ("b", "BY THE SEA SHORE")):
        (tmp_path / f"{folder}.txt").write_text(text + "\n")
        (tmp_path / folder).mkdir()
        options = ["--tokens", str(run / "tokens"), "--order", "2", "--out", str(tmp_path / folder / "lm.arpa")]
        assert main(["lm", str(tmp_path / f"{folder}.txt"), *options]) == 0
    lm = ["--decoder", "lm", "--lm"]
    assert label(run, podcasts, tmp_path / "out", *lm, str(tmp_path / "a" / "lm.arpa")) == 0
    capsys.readouterr()
    assert label(run, podcasts, tmp_path / "out", *lm, str(tmp_path / "b" / "lm.arpa")) == 2
    assert "holds other labels (maker" in capsys.readouterr().err
