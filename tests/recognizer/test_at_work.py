"""What a model that really hears makes of audio as it comes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tone_model import RATE, Sound, record, sentence, speak

from asr.cli.main import main
from asr.recognizer.alignment import align_words
from asr.recognizer.recognizer import Recognizer, choose_windows
from asr.recognizer.trained import find_trained
from asr.score.wer import add_counts, count_errors


@pytest.fixture(scope="module")
def recognizer(tone_run: Path) -> Recognizer:
    trained = find_trained(tone_run)
    return Recognizer(trained, choose_windows(trained, None, None, None), torch.device("cpu"))


def hear(recognizer: Recognizer, *sounds: Sound) -> list[str]:
    heard = recognizer.words([sound.astype(np.int16) for sound in sounds])
    return [" ".join(word.text for word in words) for words in heard]


def sentences(count: int, seed: int = 5) -> tuple[list[Sound], list[str], np.random.Generator]:
    """Recordings of sentences, and their texts."""
    rng = np.random.default_rng(seed)
    said = [sentence(rng, int(rng.integers(3, 7))) for _ in range(count)]
    return [record(sound, rng) for sound, _ in said], [text for _, text in said], rng


def error_rate(texts: list[str], heard: list[str]) -> float:
    return add_counts(count_errors(texts, heard, "word")).rate


def test_noise_has_no_words(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal(12 * RATE)
    noises = [rng.integers(0, 2, 30 * RATE), rng.integers(-1, 2, 12 * RATE), 5 * white, 2000 * white, 0 * white]
    assert hear(recognizer, *noises) == [""] * len(noises)
    assert hear(recognizer, rng.integers(0, 2, 9000), 0 * white[:900]) == ["", ""]


@pytest.mark.parametrize("level", [0.0, 0.5, 30.0])
def test_silence_beside_speech_has_no_words_and_does_it_no_harm(recognizer: Recognizer, level: float) -> None:
    (sound, other), (text, more), rng = sentences(2)
    silence = np.round(level * rng.standard_normal(10 * RATE))
    long = np.concatenate([silence, sound, silence, other, silence])
    words = recognizer.words([long.astype(np.int16)])[0]
    assert " ".join(word.text for word in words) == f"{text} {more}"
    assert 10 <= words[0].start < 10.5
    assert len(recognizer.log_probs(long.astype(np.int16))) == (len(long) - 512) // 640 + 1


@pytest.mark.parametrize("seconds", [0.25, 0.5, 1.0])
def test_digital_zeros_before_an_utterance_cost_no_words(recognizer: Recognizer, seconds: float) -> None:
    sounds, texts, _ = sentences(20)
    zeros = np.zeros(round(seconds * RATE))
    usual = error_rate(texts, hear(recognizer, *sounds))
    assert error_rate(texts, hear(recognizer, *(np.concatenate([zeros, sound]) for sound in sounds))) <= usual + 0.01


def test_sentences_strung_together_without_a_pause_are_heard_as_well_as_alone(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(3)
    said = [sentence(rng, int(rng.integers(3, 7)), 0.0) for _ in range(45)]
    texts = [text for _, text in said]
    quiet = np.zeros(RATE // 5)
    alone = [record(np.concatenate([quiet, sound, quiet]), rng) for sound, _ in said]
    strung = record(np.concatenate([quiet, *(sound for sound, _ in said), quiet]), rng)
    apart = error_rate(texts, hear(recognizer, *alone))
    assert len(strung) > 60 * RATE
    assert error_rate([" ".join(texts)], hear(recognizer, strung)) < apart + 0.01


def test_a_part_of_what_is_said_is_found_where_it_is_said_with_stars_and_doubted_without(
    recognizer: Recognizer,
) -> None:
    rng = np.random.default_rng(7)
    (before, _), (part, text), (after, _) = (sentence(rng, count) for count in (4, 3, 4))
    log_probs = recognizer.log_probs(record(np.concatenate([before, part, after]), rng))
    starred, strict = (
        align_words(log_probs, text, recognizer.tokenizer, recognizer.frame_seconds, starred=starred)
        for starred in (True, False)
    )
    begin, end = len(before) / RATE + 0.2, (len(before) + len(part)) / RATE - 0.2
    assert starred.words[0].start == pytest.approx(begin, abs=0.1)
    assert starred.words[-1].end == pytest.approx(end, abs=0.15)
    assert all(word.confidence > 0.9 for word in starred.words)
    assert [word.end < begin + 0.1 or word.start > end - 0.1 for word in starred.outside] == [True, True]
    assert "speech that is not in the text: " in starred.notes(True)[0]
    # All must be between the first letter and the last, wherever these are.
    for word in strict.words:
        assert word.confidence < 0.1 or begin - 0.1 < word.start < word.end < end + 0.1
    assert strict.confidence < 0.9
    assert strict.notes(False)[0].endswith("times may be wrong: --star allows for it")


def test_a_gap_within_the_text_is_left_out_too(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(8)
    parts = [(speak(text, rng), text) for text in ("FACE DEAF", "CAB ABE EBB", "FED BEAD")]
    log_probs = recognizer.log_probs(record(np.concatenate([sound for sound, _ in parts]), rng))
    text = f"{parts[0][1]} {parts[2][1]}"
    found = align_words(log_probs, text, recognizer.tokenizer, recognizer.frame_seconds, starred=True)
    assert all(word.confidence > 0.9 for word in found.words)
    begin, end = len(parts[0][0]) / RATE, (len(parts[0][0]) + len(parts[1][0])) / RATE
    assert [word.start < begin for word in found.words] == [True, True, False, False]
    assert [word.text for word in found.outside] == [parts[1][1]]
    assert begin < found.outside[0].start < found.outside[0].end < end


def test_a_whole_text_has_nothing_outside_it_and_another_text_is_told(recognizer: Recognizer) -> None:
    (sound,), (text,), _ = sentences(1)
    log_probs = recognizer.log_probs(sound)
    for starred in (False, True):
        found = align_words(log_probs, text, recognizer.tokenizer, recognizer.frame_seconds, starred=starred)
        assert (found.notes(starred), found.confidence > 0.9) == ([], True)
    other = align_words(log_probs, "FACE FACE ACE DEAF", recognizer.tokenizer, recognizer.frame_seconds)
    assert "hardly the text of this audio" in other.notes(False)[-1]


def test_align_takes_a_text_as_people_write_it_and_tells_what_it_lacks(
    tone_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(9)
    (sound, text), (more, rest) = sentence(rng, 3), sentence(rng, 4)
    soundfile.write(tmp_path / "a.wav", record(np.concatenate([sound, more]), rng), RATE)
    written = "<noise> " + ", ".join(text.capitalize().split()) + "! — "
    command = ["align", str(tone_run), str(tmp_path / "a.wav"), "--text", written, "--format", "json"]
    assert main([*command, "--star"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [word["text"].strip(",!").upper() for word in found["words"]] == text.split()
    assert [word["text"] for word in found["outside"]] == [rest]
    assert "speech that is not in the text: " in shown.err


def test_a_file_of_noise_has_an_empty_transcript_which_is_told(
    tone_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).integers(0, 2, 30 * RATE).astype(np.int16), RATE)
    assert main(["transcribe", str(tone_run), str(tmp_path / "a.wav")]) == 0
    shown = capsys.readouterr()
    assert shown.out == "\n"
    assert "a.wav: no word is heard in 30.0 s" in shown.err
