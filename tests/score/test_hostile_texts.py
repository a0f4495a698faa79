"""Texts that nobody in their right mind would score: an error that says what is wrong, or a score, and no traceback."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr.errors import UserError
from asr.report.score_page import draw_score_page
from asr.score.files import Options, TextFile, score_files
from asr.score.formats import FORMATS
from asr.score.summary import count_utterances, summarise_scoring
from asr.score.terminal import format_scoring

FUZZ = settings(max_examples=40, deadline=None)
PIECES = [
    "a-1",
    "b",
    "{",
    "}",
    "/",
    "@",
    " ",
    "\t",
    ",",
    '"',
    "(a-1)",
    "\n",
    "\r",
    "\0",
    "id",
    "text",
    ";;",
    "\x1c",
    "²",
]
PIECES += [600 * "{ ", 600 * "[", '{"id": "a", "text": "b"}', "id,text\n", "id\ttext\n", "\u2028", "\x1b[1m"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud83d")
VALUES = SCALARS | st.lists(SCALARS, max_size=2)
ROWS = st.fixed_dictionaries({"id": VALUES, "text": VALUES}, optional={"speaker": VALUES, "split": VALUES})
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def score_whatever(content: bytes, form: str) -> None:
    """Read, score, print and draw; a refusal is short and names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "texts", Path(folder) / "heard"
        for file in (path, copy):
            file.write_bytes(content)
        options = Options(normaliser="librispeech", resamples=5)
        reference, heard = (TextFile(file, file.name, form) for file in (path, copy))
        try:
            scoring = score_files(reference, [heard], options)
        except UserError as error:
            said = str(error)
        else:
            said = ""
        assert said == "" or str(path) in said or "heard" in said
        assert len(said) < 1000
        if said:
            return
        summary = summarise_scoring(scoring)
        json.dumps([summary, count_utterances(scoring)], ensure_ascii=False).encode()
        format_scoring(scoring, summary, {"speakers": 3, "confusions": 3, "worst": 3}, 80, True).encode()
        draw_score_page(scoring, summary)


@pytest.mark.parametrize("form", FORMATS)
@FUZZ
@given(TEXTS.map(str.encode) | st.binary(max_size=60))
def test_any_file_is_scored_or_refused(form: str, content: bytes) -> None:
    score_whatever(content, form)


@FUZZ
@given(st.lists(ROWS.map(json.dumps), max_size=3))
@example([100_000 * "["])
@example(['{"id": "a", "text": "b", "speaker": "\\ud83d"}'])
def test_any_rows_are_scored_or_refused(lines: list[str]) -> None:
    score_whatever("\n".join(lines).encode(), "jsonl")


@FUZZ
@given(TEXTS)
@example(3000 * "{")
def test_any_alternatives_are_scored_or_refused(text: str) -> None:
    score_whatever(f"{text.replace(chr(10), ' ')} (a-1)".encode(), "trn")
