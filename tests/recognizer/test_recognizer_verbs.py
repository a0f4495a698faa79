from __future__ import annotations

import functools
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tqdm import tqdm

from asr.cli.main import main


def test_one_file_is_its_text_and_several_are_named(
    small_run: Path, audio_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = audio_folder / "a.flac", audio_folder / "deep" / "b.wav"
    assert main(["transcribe", str(small_run), str(one)]) == 0
    alone = capsys.readouterr()
    assert alone.out.count("\n") == 1
    assert "\t" not in alone.out
    assert "3.0 s of audio" in alone.err
    assert main(["transcribe", str(small_run), str(one), str(two)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{one}\t{alone.out.rstrip()}"


def test_json_has_times_within_the_audio(
    small_run: Path, audio_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{audio_folder / 'long.flac'}\n"))
    assert main(["transcribe", str(small_run), "-", "--format", "json", "--longest", "8"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["seconds"] == 40.0
    assert content["text"] == " ".join(w["text"] for w in content["words"])
    times = [t for w in content["words"] for t in (w["start"], w["end"])]
    assert times == sorted(times)
    assert 35 < times[-1] <= 40


def test_a_folder_becomes_a_folder_of_results(small_run: Path, audio_folder: Path, tmp_path: Path) -> None:
    for form in ("txt", "json", "srt", "vtt"):
        assert main(["transcribe", str(small_run), str(audio_folder), "--format", form, "--out", str(tmp_path)]) == 0
        found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob(f"*.{form}"))
        assert found == [f"a.{form}", f"deep/b.{form}", f"long.{form}"]
    assert not list(tmp_path.rglob("*.partial"))
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT\n\n00:00:0")


def test_results_are_not_written_over_audio_nor_where_no_folder_can_be(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "speech.txt"
    shutil.copyfile(audio_folder / "a.flac", odd)
    before = odd.read_bytes()
    assert main(["transcribe", str(small_run), str(odd), "--out", str(tmp_path)]) == 2
    assert "speech.txt: is read, and would be written over" in capsys.readouterr().err
    assert odd.read_bytes() == before
    aligned = shutil.copyfile(odd, tmp_path / "speech.json")
    command = ["align", str(small_run), str(aligned), "--text", "ONE", "--format", "json", "--out"]
    assert main([*command, str(tmp_path)]) == 2
    assert "speech.json: is read" in capsys.readouterr().err
    assert main([*command, str(odd)]) == 2
    assert f"{odd}: cannot make this folder" in capsys.readouterr().err


def test_a_file_is_a_line_whatever_its_name(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "two\nlines.flac"
    shutil.copyfile(audio_folder / "a.flac", odd)
    assert main(["transcribe", str(small_run), str(odd), str(audio_folder / "a.flac")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("\t")[0].rpartition("/")[2] for line in lines] == ["two\\nlines.flac", "a.flac"]


def test_several_subtitles_need_a_folder(
    small_run: Path, audio_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(small_run), str(audio_folder), "--format", "srt"]) == 2
    assert "give --out DIR" in capsys.readouterr().err


def test_a_broken_file_is_named_and_the_others_are_transcribed(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.flac").write_bytes(b"fLaC and no more")
    samples, rate = soundfile.read(audio_folder / "a.flac")
    soundfile.write(tmp_path / "good.wav", np.stack([samples, samples], 1), rate, subtype="PCM_16")
    assert main(["transcribe", str(small_run), str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{tmp_path / 'good.wav'}\t")
    assert "good.wav: 2 channels, mixed down to one" in shown.err
    assert re.search(r"error: 1 of 2 files were left out:\n.*bad\.flac: cannot read audio", shown.err)


def test_a_channel_is_picked_or_every_one_is_a_file_of_its_own(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (soundfile.read(audio_folder / name, dtype="int16")[0][:32_000] for name in ("a.flac", "deep/b.wav"))
    soundfile.write(tmp_path / "call.wav", np.stack([one, two], 1), 16_000)
    soundfile.write(tmp_path / "one.flac", one, 16_000)
    soundfile.write(tmp_path / "two.flac", two, 16_000)

    def texts(*arguments: str) -> dict[str, str]:
        assert main(["transcribe", str(small_run), "--format", "json", *arguments]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {row["id"]: row["text"] for row in rows}

    alone = texts(str(tmp_path / "one.flac"), str(tmp_path / "two.flac"))
    call = str(tmp_path / "call.wav")
    assert texts(call, "--channel", "2") == {"call": alone["two"]}
    assert texts(call, "--channel", "each") == {"call-1": alone["one"], "call-2": alone["two"]}
    assert main(["transcribe", str(small_run), call, "--channel", "3"]) == 2
    assert "call.wav: cannot read audio (no such channel: it has 2, and not 3)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["transcribe", str(small_run), call, "--channel", "left"])
    assert "'left' is neither mix, each nor a number from 1" in capsys.readouterr().err


def test_other_files_in_a_folder_and_a_file_without_audio_are_named(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(audio_folder / "a.flac", tmp_path / "a.flac")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16_000)
    for name in ("notes.txt", "more.txt", "LICENSE"):
        (tmp_path / name).write_text("x")
    assert main(["transcribe", str(small_run), str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert f"{tmp_path}: not taken for audio: 2 .txt, 1 without suffix" in shown
    assert "empty.wav: cannot read audio (no audio in it)" in shown


def test_no_path_on_standard_input_is_an_error(
    small_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["transcribe", str(small_run), "-"]) == 2
    assert "standard input: no paths of audio files" in capsys.readouterr().err


def test_align_names_files_that_it_cannot_use_and_goes_on(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC and no more")
    soundfile.write(tmp_path / "b.wav", np.zeros(1600), 16_000)
    soundfile.write(tmp_path / "c.wav", soundfile.read(audio_folder / "a.flac")[0], 16_000)
    (tmp_path / "t.trans.txt").write_text("a SEA\nb SHE SELLS SEA SHELLS\nc SHELLS\n")
    transcripts = ["--transcripts", str(tmp_path / "t.trans.txt"), "--format", "ctm"]
    assert main(["align", str(small_run), str(tmp_path), *transcripts]) == 2
    shown = capsys.readouterr()
    assert [line.split()[4] for line in shown.out.splitlines()] == ["SHELLS"]
    assert re.search(r"error: 2 of 3 files were left out:\n.*a\.flac: cannot read.*\n.*b\.wav: the text", shown.err)


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_on_a_terminal_a_bar_shows_how_much_audio_is_done(
    small_run: Path,
    audio_folder: Path,
    decoder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("asr.data.audio_bar.tqdm", functools.partial(tqdm, mininterval=0))
    command = ["transcribe", str(small_run), "--decoder", decoder, "--longest", "8"]
    assert main([*command, str(audio_folder)]) == 0
    shown = capsys.readouterr()
    done = [float(n) for n in re.findall(r"transcribing: .*? (\d+)/45 s \[", shown.err)]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert done[-1] == 45
    assert shown.out.count("\n") == 3
    # A short file is done before one looks.
    assert main([*command, str(audio_folder / "a.flac")]) == 0
    assert "transcribing" not in capsys.readouterr().err


def test_align_writes_every_word_of_the_text(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = str(audio_folder / "a.flac")
    arguments = ["align", str(small_run), audio, "--text", "She sells sea shells"]
    assert main([*arguments, "--format", "ctm"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[4] for row in rows] == ["She", "sells", "sea", "shells"]
    assert all(row[:2] == ["a", "1"] and float(row[3]) > 0 for row in rows)
    assert main([*arguments, "--format", "json"]) == 0
    assert [w["text"] for w in json.loads(capsys.readouterr().out)["words"]] == ["She", "sells", "sea", "shells"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    grid = (tmp_path / "a.TextGrid").read_text()
    edges = [float(t) for t in re.findall(r"^            xm(?:in|ax) = (\S+)$", grid, re.MULTILINE)]
    # Without a gap from the beginning to the end.
    assert edges[0] == 0
    assert edges[-1] == 3.0
    assert edges[1:-1:2] == edges[2::2]
    count = int(re.findall(r"intervals: size = (\d+)", grid)[0])
    assert count == len(edges) / 2
    assert [t for t in re.findall(r'text = "(.*)"', grid) if t] == ["She", "sells", "sea", "shells"]


def test_align_takes_transcripts_of_many_files(
    small_run: Path, audio_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.trans.txt").write_text("a SHE SELLS 12\nb SEA\nlong SHELLS\n")
    transcripts = ["--transcripts", str(tmp_path / "t.trans.txt")]
    assert main(["align", str(small_run), str(audio_folder), *transcripts, "--format", "ctm"]) == 0
    shown = capsys.readouterr()
    assert [line.split()[4] for line in shown.out.splitlines()] == ["SHE", "SELLS", "SEA", "SHELLS"]
    assert "left out, for want of a token: 12" in shown.err


def test_export_says_where(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "exported"
    assert main(["export", str(small_run), str(out), "--model", "student"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert main(["export", str(out), str(tmp_path / "again")]) == 0
    assert main(["export", str(out), str(tmp_path / "third"), "--model", "teacher"]) == 2
    assert "an exported folder has one model" in capsys.readouterr().err


def test_a_beam_writes_words_with_times_and_hotwords_among_them(
    small_run: Path, audio_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["transcribe", str(small_run), str(audio_folder / "a.flac"), "--format", "json", "--decoder", "beam"]
    assert main([*command, "--beam", "3"]) == 0
    plain = json.loads(capsys.readouterr().out)
    times = [t for w in plain["words"] for t in (w["start"], w["end"])]
    assert times == sorted(times)
    assert 2 < times[-1] <= 3
    assert main([*command, "--beam", "3", "--hotword", "‘at’,", "--hotword-score", "60"]) == 0
    assert json.loads(capsys.readouterr().out)["text"].split().count("AT") > plain["text"].split().count("AT")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hotword", "at"], "add --decoder beam"),
        (["--decoder", "beam", "--lm", "x.arpa"], "add --decoder lm"),
        (["--decoder", "beam", "--lexicon", "x"], "--lexicon: not for --decoder beam; add --decoder lm"),
        (["--lm-weight", "1"], "--lm-weight: not for --decoder greedy; add --decoder lm"),
        (["--decoder", "beam", "--word-score", "1"], "--word-score: not for --decoder beam"),
        (["--beam", "8"], "--beam: not for --decoder greedy"),
        (["--decoder", "beam", "--hotword-score", "8"], "add --hotword TEXT"),
        (["--decoder", "beam", "--beam", "0"], "must be between 1 and 1000"),
        (["--decoder", "beam", "--beam", "100000"], "as memory grows with its square"),
        (["--decoder", "beam", "--hotword", "a", "--hotword-score", "nan"], "--hotword-score nan: must be a number"),
        (["--decoder", "lm", "--lm-weight", "nan"], "--lm-weight nan: must be a number"),
        (["--decoder", "lm", "--lm-weight", "-1"], "--lm-weight -1: must be a number, and at least 0"),
        (["--decoder", "lm", "--word-score", "inf"], "--word-score inf: must be a number"),
        (["--longest", "0"], "windows of"),
        (["--shortest", "0"], "windows of"),
        (["--decoder", "lm"], "--lm, or tune one"),
        (["--decoder", "lm", "--lm", "absent.arpa"], "absent.arpa: cannot read language model"),
    ],
)
def test_decoders_that_lack_something_say_so(
    small_run: Path,
    audio_folder: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asr.recognizer.decoding.check_package", lambda: None)
    assert main(["transcribe", str(small_run), str(audio_folder / "a.flac"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_names_that_are_no_text_are_written_by_their_bytes(
    small_run: Path, audio_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = os.fsencode(tmp_path) + b"/bad\xff.flac"
    shutil.copy(audio_folder / "long.flac", strange)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(strange + b"\n"), encoding="utf-8", errors="strict"))
    assert main(["transcribe", str(small_run), "-", "--format", "json", "--out", str(tmp_path / "out")]) == 0
    (written,) = (tmp_path / "out").iterdir()
    found = json.loads(written.read_text(encoding="utf-8"))
    assert (found["id"], found["audio"]) == ("bad\\xff", f"{tmp_path}/bad\\xff.flac")
