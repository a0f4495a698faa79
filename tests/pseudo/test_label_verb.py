from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_model import make_run, noise

from asr.cli.main import main
from asr.data.manifest import Utterance, write_manifest
from asr.errors import UserError
from asr.pseudo.shards import read_labels_folder

COUNT = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    rows = []
    for row in range(COUNT):
        seconds = 1.0 + 0.2 * row
        soundfile.write(folder / f"{row}.flac", noise(seconds, row), 16_000, subtype="PCM_16")
        rows.append(Utterance(f"u{row}", str(folder / f"{row}.flac"), seconds, speaker="s"))
    write_manifest(folder / "all.jsonl", rows)
    return folder / "all.jsonl"


def label(run: Path, manifest: Path, out: Path, *options: str) -> int:
    return main(["label", str(run), str(manifest), "--out", str(out), *options])


def test_every_utterance_has_one_label_that_is_what_transcribe_writes(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(run, manifest, tmp_path / "out", "--shards", "5") == 0
    found, _ = read_labels_folder(tmp_path / "out")
    assert sorted(found) == sorted(f"u{row}" for row in range(COUNT))
    capsys.readouterr()
    for row in (0, 7):
        assert main(["transcribe", str(run), str(manifest.parent / f"{row}.flac")]) == 0
        assert found[f"u{row}"].text == capsys.readouterr().out.strip()
        assert found[f"u{row}"].maker.startswith("model ")
        assert found[f"u{row}"].mean_log_prob < 0 < found[f"u{row}"].frames


def test_shards_that_are_done_are_not_done_again(run: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert label(run, manifest, out, "--shard", "1/3") == 0
    (one,) = out.glob("shard-*.safetensors")
    before = one.stat().st_mtime_ns
    with pytest.raises(UserError, match="2 of 3 shards are not done"):
        read_labels_folder(out)
    assert main(["label", str(run), str(manifest), "--out", str(out), "--status"]) == 1
    assert label(run, manifest, out, "--shards", "3") == 0
    assert one.stat().st_mtime_ns == before
    assert main(["label", str(run), str(manifest), "--out", str(out), "--status"]) == 0


def test_a_shard_says_what_it_is_of(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(run, manifest, out, "--shards", "3") == 0
    first, second, _ = sorted(out.glob("shard-*.safetensors"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match="labels of another task, or of other utterances; delete it and label again"):
        read_labels_folder(out)
    capsys.readouterr()
    assert label(run, manifest, out, "--shards", "3") == 2
    assert f"{second}: labels of another task" in capsys.readouterr().err


def test_a_refused_shard_leaves_no_folder(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(run, manifest, out, "--shard", "0/99") == 2
    assert f"{COUNT} utterances make {COUNT} shards at most" in capsys.readouterr().err
    assert not out.exists()
    assert label(run, manifest, out) == 0
    task = json.loads((out / "labels.json").read_text())
    (out / "labels.json").write_text(json.dumps(task | {"shards": "1"}))
    assert main(["label", str(run), str(manifest), "--out", str(out), "--status"]) == 2
    assert "labels.json is not as it was written" in capsys.readouterr().err


def test_a_folder_takes_one_model_s_labels_of_one_corpus(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert label(run, manifest, out, "--shards", "2") == 0
    assert label(run, manifest, out, "--shards", "2", "--model", "student") == 2
    assert "holds other labels (maker" in capsys.readouterr().err
    assert label(run, manifest, out, "--shards", "4") == 2
    assert "holds labels in 2 shards, and now it would be 4; go on with --shards 2" in capsys.readouterr().err
    out = tmp_path / "other"
    beam = ("--decoder", "beam", "--shards", "2", "--hotword", "SEA")
    assert label(run, manifest, out, *beam, "--shard", "0/2") == 0
    for other in (beam[:-2], (*beam, "--hotword", "SHELLS"), (*beam, "--hotword-score", "9")):
        assert label(run, manifest, out, *other) == 2
        assert "holds other labels (maker" in capsys.readouterr().err
    assert label(run, manifest, out, *beam) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("--longest", "nan"),
        ("--longest", "0"),
        ("--longest", "-1"),
        ("--batch-seconds", "inf"),
        ("--batch-seconds", "0"),
        ("--shards", "0"),
        ("--shards", "-3"),
        ("--max-bad-audio", "-1"),
    ],
)
def test_numbers_without_sense_are_refused(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]
) -> None:
    assert label(run, manifest, tmp_path / "out", *wrong) == 2
    assert f"{wrong[0]} {wrong[1]}: must be" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unreadable_audio_fails_its_shard_by_name_unless_it_is_allowed(
    run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[4]["audio_filepath"] = "/nowhere.flac"
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    assert label(run, broken, out, "--shards", "3") == 2
    said = capsys.readouterr().err
    assert "1 of 3 shards failed" in said
    assert "/nowhere.flac" in said
    assert main(["label", str(run), str(broken), "--out", str(out), "--status"]) == 1
    assert "shard-00001-of-00003 failed" in capsys.readouterr().out
    assert label(run, broken, out, "--shards", "3", "--max-bad-audio", "1", "--write", "kaldi") == 0
    assert "11 labels; 1 utterances have none" in capsys.readouterr().out
    assert "u4" not in read_labels_folder(out)[0]


def test_labels_are_written_for_other_toolkits(run: Path, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for form in ("nemo", "kaldi", "lhotse"):
        assert label(run, manifest, out, "--write", form) == 0
    texts = {name: one.text for name, one in read_labels_folder(out)[0].items()}
    nemo = [json.loads(line) for line in (out / "nemo" / "labels.json").read_text().splitlines()]
    assert [row["text"] for row in nemo] == [texts[f"u{row}"] for row in range(COUNT)]
    kaldi = [line.partition(" ") for line in (out / "kaldi" / "text").read_text().splitlines()]
    assert [name for name, _, _ in kaldi] == sorted(texts)
    with gzip.open(out / "lhotse" / "supervisions.jsonl.gz", "rt") as file:
        assert {row["id"]: row["text"] for row in map(json.loads, file)} == texts


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".safetensors"}


KILLS = int(os.environ.get("ASR_KILLS", "2"))


@pytest.mark.timeout(300 + 60 * KILLS)
def test_labeling_that_is_killed_again_and_again_ends_with_the_same_bytes(
    run: Path, manifest: Path, tmp_path: Path
) -> None:
    """`ASR_KILLS=100` kills it a hundred times. Two processes work at once, and never at the same shard."""
    command = [sys.executable, "-m", "asr", "label", str(run), str(manifest), "--shards", "6", "--out"]
    started = time.time()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    expected = bytes_of(tmp_path / "whole")
    # What comes before is imports, which have nothing to lose.
    begun, ended = ((tmp_path / "whole" / n).stat().st_mtime - started for n in ("labels.json", max(expected)))
    rng = np.random.default_rng(1)
    killed = 0
    while True:
        out = tmp_path / f"out-{killed}"
        while True:
            both = [
                subprocess.Popen([*command, str(out)], stderr=subprocess.PIPE, text=True, env=os.environ | {"RANK": r})
                for r in "01"
            ]
            if killed < KILLS:
                time.sleep(rng.uniform(0.8 * begun, 1.5 * ended))
                both[0].send_signal(signal.SIGKILL)
                killed += 1
            said = [one.communicate()[1] for one in both]
            if all(one.returncode == 0 for one in both) and not any("left to others" in text for text in said[:1]):
                break
        done = [line for text in said for line in text.splitlines() if line.endswith("labels")]
        assert len(done) == len(set(done))
        assert bytes_of(out) == expected
        if killed >= KILLS:
            return
