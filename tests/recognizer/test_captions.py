from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from asr.recognizer.audio import AudioFile
from asr.recognizer.captions import format_srt, format_vtt, split_captions
from asr.recognizer.output import format_json
from asr.recognizer.transcribe import Transcript
from asr.recognizer.words import Word


def words(count: int, step: float = 0.4) -> list[Word]:
    return [Word(f"WORD{i}", round(i * step, 3), round(i * step + 0.3, 3), 1.0) for i in range(count)]


def test_captions_keep_to_two_lines_and_six_seconds_and_hold_every_word_once() -> None:
    spoken = words(60, 0.2)
    captions = split_captions(spoken)
    assert [w for caption in captions for w in caption] == spoken
    assert all(caption[-1].end - caption[0].start <= 6.0 for caption in captions)
    assert all(len(" ".join(w.text for w in caption)) <= 2 * 42 + 1 for caption in captions)
    for cue in format_srt(spoken, 13.0).split("\n\n"):
        assert all(len(line) <= 42 for line in cue.splitlines())
        assert len(cue.splitlines()) in (3, 4)


def test_a_pause_ends_a_caption() -> None:
    spoken = [Word("ONE", 0.0, 0.3, 1.0), Word("TWO", 0.5, 0.8, 1.0), Word("THREE", 2.0, 2.2, 1.0)]
    assert [[w.text for w in caption] for caption in split_captions(spoken)] == [["ONE", "TWO"], ["THREE"]]


def test_srt_and_vtt_are_written_as_their_players_read_them() -> None:
    spoken = [Word("ONE", 0.25, 0.5, 1.0), Word("TWO", 3661.5, 3661.75, 1.0)]
    assert format_srt(spoken, 3662.0) == (
        "1\n00:00:00,250 --> 00:00:01,250\nONE\n\n2\n01:01:01,500 --> 01:01:02,000\nTWO\n"
    )
    assert format_vtt(spoken, 3662.0) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.250\nONE\n\n01:01:01.500 --> 01:01:02.000\nTWO\n"
    )
    assert format_srt([], 1.0) == ""
    assert format_vtt([], 1.0) == "WEBVTT\n"


def test_captions_do_not_overlap() -> None:
    text = format_vtt([Word("ONE", 0.0, 0.1, 1.0), Word("TWO", 0.95, 1.0, 1.0)], 1.0)
    times = re.findall(r"(\S+) --> (\S+)", text)
    assert times == [("00:00:00.000", "00:00:00.950"), ("00:00:00.950", "00:00:01.000")]


ODD = "R&D <NOISE> A<B <i>C</i> &lt; D-->E WELL-KNOWN SEMI-DETACHED HEARD IN 19 84 NAÏVE हिन्दी".split()


def spoken_text(texts: list[str]) -> tuple[list[Word], str]:
    """Words half a second apart, and what JSON has for their text."""
    spoken = [Word(text, i / 2, i / 2 + 0.4, 1.0) for i, text in enumerate(texts)]
    return spoken, json.loads(format_json(Transcript(AudioFile(Path("a.wav"), "a"), 99.0, spoken)))["text"]


@pytest.mark.parametrize("texts", [ODD, [*ODD, "7"], "ONE TWO".split(), [*"AB" * 18, "1000000000"], ["X" * 42, "1984"]])
def test_readers_of_captions_find_the_text_of_the_json_in_them(texts: list[str]) -> None:
    import pysubs2
    import srt
    import webvtt

    spoken, text = spoken_text(texts)
    subrip, web = format_srt(spoken, 99.0), format_vtt(spoken, 99.0)

    def joined(captions: list[str]) -> str:
        return " ".join(" ".join(captions).split())

    assert joined([cue.content for cue in srt.parse(subrip)]) == text
    read = pysubs2.SSAFile.from_string(subrip, "srt", keep_html_tags=True)
    assert joined([event.text.replace("\\N", " ") for event in read]) == text
    assert joined([html.unescape(caption.text) for caption in webvtt.from_string(web)]) == text
    # It leaves escapes as they are.
    read = pysubs2.SSAFile.from_string(web, "vtt")
    assert joined([html.unescape(event.text).replace("\\N", " ") for event in read]) == text
    assert [event.start for event in read] == [round(cue.start.total_seconds() * 1000) for cue in srt.parse(subrip)]


def test_nothing_in_web_captions_is_taken_for_a_tag() -> None:
    spoken, _ = spoken_text(ODD)
    lines = [line for line in format_vtt(spoken, 99.0).splitlines() if not re.fullmatch(r"\S+ --> \S+", line)]
    assert "R&amp;D &lt;NOISE&gt; A&lt;B &lt;i&gt;C&lt;/i&gt;" in " ".join(lines)
    assert not any("<" in line or ">" in line for line in lines)
