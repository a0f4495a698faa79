import json
import re
from dataclasses import replace
from pathlib import Path

from page_reader import Reader

from asr.report.score_page import write_score_page
from asr.score.files import Options, TextFile, score_files
from asr.score.scoring import Scoring
from asr.score.summary import summarise_scoring

REFERENCE = "it is { okay / o k } <now> (s1_1)\nall right (s1_2)\n (s2_1)\n"
FIRST = "it is okay <now> (s1_1)\nall right (s1_2)\n</script> (s2_1)\n"
SECOND = "it was o k (s1_1)\nall right (s1_2)\n (s2_1)\n"


def score(tmp_path: Path, *hypotheses: str) -> Scoring:
    files = []
    for name, content in (("ref.trn", REFERENCE), *((f"h{n}.trn", text) for n, text in enumerate(hypotheses))):
        (tmp_path / name).write_text(content)
        files.append(TextFile(tmp_path / name, name))
    return score_files(files[0], files[1:], Options())


def read(scoring: Scoring, out: Path) -> Reader:
    write_score_page(scoring, summarise_scoring(scoring), out)
    return Reader(out.read_text(encoding="utf-8"))


def test_every_utterance_is_there_to_be_drawn_word_above_word(tmp_path: Path) -> None:
    page = read(score(tmp_path, FIRST), tmp_path / "page.html")
    data = json.loads(page.scripts[0])
    assert data["systems"] == ["h0.trn"]
    assert data["utterances"] == [
        ["s1_1", "s1", "it is okay <now>"],
        ["s1_2", "s1", "all right"],
        ["s2_1", "s2", [[[0], [[None, "</script>"]]]]],
    ]


def test_systems_that_read_the_reference_otherwise_stand_apart(tmp_path: Path) -> None:
    page = read(score(tmp_path, FIRST, SECOND), tmp_path / "page.html")
    first, right, last = (content for _, _, content in json.loads(page.scripts[0])["utterances"])
    assert first == [
        [[0], ["it", "is", "okay", "<now>"]],
        [[1], ["it", ["is", "was"], "o", "k", ["<now>", None]]],
    ]
    assert right == "all right"
    assert last == [[[0, 1], [[None, "</script>", None]]]]


def test_the_numbers_and_how_they_came_about_are_shown(tmp_path: Path) -> None:
    scoring = score(tmp_path, FIRST, SECOND)
    summary = summarise_scoring(scoring)
    page = read(scoring, tmp_path / "page.html")
    for text in ("h0.trn", "h1.trn", "none", "levenshtein", "h0.trn → h1.trn", "</script>", "is → was"):
        assert text in page.texts
    for system in summary["systems"]:
        assert f"{100 * system['wer']:.1f}%" in page.texts
    errors = [json.loads(a["data-error"] or "") for t, a in page.tags if t == "button" and "data-error" in a]
    assert {"system": 1, "kind": "sub", "words": ["is", "was"]} in errors


def test_the_script_finds_what_it_looks_for(tmp_path: Path) -> None:
    page = read(score(tmp_path, FIRST, SECOND), tmp_path / "page.html")
    classes = {name for _, attributes in page.tags for name in (attributes.get("class") or "").split()}
    names = {attributes.get("name") for _, attributes in page.tags}
    script = page.scripts[1]
    assert set(re.findall(r'querySelector\("\.(\w+)"\)', script)) <= classes
    assert set(re.findall(r'value\("(\w+)"\)', script)) <= names
    choices = "".join(re.findall(r"\{([^{}]*)\}\[value", script))
    keys = set(re.findall(r"^\s+(\w+):", choices, re.MULTILINE))
    values = {a.get("value") for t, a in page.tags if t == "option"} - {"", "0", "1", "s1", "s2"}
    assert values == keys


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = read(score(tmp_path, FIRST), tmp_path / "page.html")
    assert not [attributes for _, attributes in page.tags if "src" in attributes or "href" in attributes]
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_a_perfect_score_is_a_page_too(tmp_path: Path) -> None:
    page = read(score(tmp_path, REFERENCE.replace("{ okay / o k }", "okay")), tmp_path / "page.html")
    assert "substitutions (0)" in page.texts


def test_long_names_are_cut_beside_words_so_that_they_differ(tmp_path: Path) -> None:
    scoring = score(tmp_path, FIRST, SECOND)
    names = ["wav2vec2-large-960h-lv60-self", "wav2vec2-large-960h-lv60-ctc"]
    systems = [replace(system, name=name) for system, name in zip(scoring.systems, names, strict=True)]
    page = read(replace(scoring, systems=systems), tmp_path / "page.html")
    data = json.loads(page.scripts[0])
    assert (data["systems"], data["labels"]) == (names, ["wav2vec2-…-lv60-self", "wav2vec2-…h-lv60-ctc"])


def test_what_is_too_few_is_warned_of_and_stands_in_place_of_p(tmp_path: Path) -> None:
    page = read(score(tmp_path, FIRST, SECOND), tmp_path / "page.html")
    assert "⚠ 2 speakers, fewer than 20: the bootstrap's intervals are too narrow, and it gives no p" in page.texts
    assert {"none below 6", "none below 10"} <= set(page.texts)
