from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import soundfile
import torch
from small_model import noise

from asr.errors import UserError
from asr.recognizer.hearing import open_hearing
from asr.recognizer.recognizer import Recognizer, WindowSettings, choose_windows
from asr.recognizer.trained import find_trained

CPU = torch.device("cpu")


def test_a_long_file_has_the_frames_that_one_pass_over_it_would_have(small_run: Path) -> None:
    trained = find_trained(small_run)
    samples = noise(60.3)
    whole = Recognizer(trained, WindowSettings(4, 100, 4), CPU).log_probs(samples)
    cut = Recognizer(trained, WindowSettings(2, 7, 2), CPU)
    segments = cut.segments([samples])[0]
    assert len(segments) > 8
    assert len(cut.log_probs(samples)) == len(whole)


def test_results_do_not_depend_on_what_is_recognised_beside_a_file(small_run: Path) -> None:
    recognizer = Recognizer(find_trained(small_run), WindowSettings(2, 7, 2), CPU)
    files = [noise(1.7, 1), noise(23.0, 2), noise(0.0), noise(0.02), noise(3.1, 3)]
    together = recognizer.segments(files)
    alone = [recognizer.segments([samples])[0] for samples in files]
    for one, two in zip(together, alone, strict=True):
        assert [s.first_frame for s in one] == [s.first_frame for s in two]
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a.log_probs, b.log_probs, rtol=1e-4, atol=1e-4)
    assert [[w.text for w in words] for words in recognizer.words(files)] == [
        [w.text for w in recognizer.words([samples])[0]] for samples in files
    ]


def test_a_model_says_what_was_asked_for(small_run: Path) -> None:
    teacher, student, older = (
        find_trained(small_run),
        find_trained(small_run, "student"),
        find_trained(small_run / "checkpoints" / "step-00000002"),
    )
    assert [t.origin["model"] for t in (teacher, student, older)] == ["teacher", "student", "teacher"]
    assert [t.origin["step"] for t in (teacher, student, older)] == [3, 3, 2]
    weights = [t.weights["head.weight"] for t in (teacher, student, older)]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_what_is_no_model_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trained model; expected a run's folder"):
        find_trained(tmp_path)


def test_a_run_without_tokens_asks_for_them(small_run: Path, tmp_path: Path) -> None:
    for name in ("checkpoints", "config.yaml"):
        (tmp_path / name).symlink_to(small_run / name)
    with pytest.raises(UserError, match="name their folder with --tokens"):
        find_trained(tmp_path)
    assert find_trained(tmp_path, tokens=small_run / "tokens").tokens == small_run / "tokens"


def test_tokens_of_another_model_are_a_user_error(small_run: Path, tmp_path: Path) -> None:
    from small_model import make_run

    from asr.config import TokenConfig

    other = make_run(tmp_path, tokens=TokenConfig(kind="bpe", size=24)) / "tokens"
    with pytest.raises(UserError, match="25 tokens, but the model was trained with 29"):
        find_trained(small_run, tokens=other)


def test_windows_are_those_that_training_recorded_unless_told(small_run: Path, tmp_path: Path) -> None:
    usual = find_trained(small_run)
    assert choose_windows(usual, None, None, None) == WindowSettings(7.5, 15, 3.75)
    for name in ("checkpoints", "config.yaml", "tokens"):
        (tmp_path / name).symlink_to(small_run / name)
    (tmp_path / "lengths.json").write_text('{"utterance_seconds": [1.5, 4.0, 6.2]}\n')
    recorded = find_trained(tmp_path)
    assert choose_windows(recorded, None, None, None) == WindowSettings(2.0, 4.0, 1.0, 6.2)
    assert choose_windows(recorded, None, 2.0, None) == WindowSettings(1.0, 2.0, 0.5)
    with pytest.raises(UserError, match="the longest twice the shortest"):
        choose_windows(recorded, 3.0, 4.0, None)
    # Runs of before the longest was recorded.
    (tmp_path / "lengths.json").write_text('{"utterance_seconds": [1.5, 4.0]}\n')
    assert choose_windows(find_trained(tmp_path), None, None, None) == WindowSettings(2.0, 4.0, 1.0, 4.0)


@pytest.mark.parametrize(
    "windows", [(0.0, None, None), (None, 0.0, None), (None, None, 0.0), (math.nan, None, None), (1.0, math.inf, 1.0)]
)
def test_windows_of_no_length_or_without_end_are_refused(small_run: Path, windows: tuple[float | None, ...]) -> None:
    with pytest.raises(UserError, match="windows of"):
        choose_windows(find_trained(small_run), *windows)


def test_a_file_as_long_as_the_longest_utterance_is_not_cut_and_a_longer_one_is(small_run: Path) -> None:
    trained = dataclasses.replace(find_trained(small_run), utterance_seconds=(1.0, 3.0, 6.0))
    recognizer = Recognizer(trained, choose_windows(trained, None, None, None), CPU)
    one, two = recognizer.segments([noise(6.0), noise(6.1)])
    assert len(one) == 1
    assert len(two) > 1
    told = Recognizer(trained, choose_windows(trained, None, 3.0, None), CPU)
    assert len(told.segments([noise(6.0)])[0]) > 1


def test_a_run_s_folder_hears_words_and_aligns_a_text(small_run: Path) -> None:
    hearing = open_hearing(small_run)
    heard = hearing.words(noise(6.0))
    assert heard
    assert all(0 <= word.start < word.end <= 6.0 for word in heard)
    aligned = hearing.align(noise(6.0), "SHE SELLS")
    assert [word.text for word in aligned] == ["SHE", "SELLS"]
    # By the model's own normaliser: what it takes away needs no tokens.
    aligned = hearing.align(noise(6.0), "She – <noise> sells.")
    assert [word.text for word in aligned] == ["She", "sells."]
    with pytest.raises(UserError, match="no tokens for 12"):
        hearing.align(noise(6.0), "SHE 12")
    with pytest.raises(UserError, match="the text needs"):
        hearing.align(noise(1.0), "SHE SELLS SEA SHELLS " * 10)
    with pytest.raises(UserError, match="nowhere"):
        open_hearing(small_run / "nowhere")


def test_real_speech_is_read_and_recognised(small_run: Path, speech_data: Path) -> None:
    from asr.recognizer.audio import read_audio

    path = next(iter(sorted(speech_data.rglob("LibriSpeech/dev-clean/**/*.flac"))))
    audio = read_audio(path)
    assert audio.seconds == pytest.approx(soundfile.info(path).duration)
    recognizer = Recognizer(find_trained(small_run), WindowSettings(), CPU)
    words = recognizer.words([audio.samples])[0]
    assert words
    assert all(0 <= w.start < w.end <= audio.seconds for w in words)
