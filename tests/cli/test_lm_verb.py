from __future__ import annotations

import lzma
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.cli.main import main
from asr.decode.arpa import read_words

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


@pytest.mark.parametrize("order", ["0", "1", "7"])
def test_an_order_that_kenlm_does_not_read_is_refused(
    order: str, tiny_corpus: TinyCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("ONE TWO\n")
    out = tmp_path / "lm.arpa"
    command = ["lm", str(tmp_path / "text"), "--out", str(out), "--tokens", str(tiny_corpus.tokens)]
    assert main([*command, "--order", order]) == 2
    assert f"--order {order}: must be between 2 and 6" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--order", "2"]) == 0
    assert out.exists()


TEXT = ["the cat sat", "the cat ran", "a dog sat", "the dog ran", "the cat sat", "a cat sat", "the dog sat"]


@pytest.fixture
def command(tiny_corpus: TinyCorpus, tmp_path: Path) -> list[str]:
    with lzma.open(tmp_path / "text.xz", "wt") as file:
        file.write("\n".join(TEXT))
    (tmp_path / "held" / "deep").mkdir(parents=True)
    (tmp_path / "held" / "deep" / "x.trans.txt").write_text("x-1 THE CAT RAN\nx-2 THE RAT SAT\n")
    return ["lm", str(tmp_path / "text.xz"), "--tokens", str(tiny_corpus.tokens), "--order", "3"]


def test_a_model_of_packed_text_is_bounded_pruned_and_measured(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, small = tmp_path / "whole.arpa", tmp_path / "small.arpa.gz"
    assert main([*command, "--out", str(whole), "--evaluate", str(tmp_path / "held")]) == 0
    said = capsys.readouterr().out
    assert "whole.arpa: 9 1-grams, 12 2-grams" in said
    assert re.search(r"held: perplexity [1-9]\.\d over 7 words and ends of sentences; left out are 1 of 6 words", said)
    (tmp_path / "list.txt").write_text("rat\nmouse ran\n")
    bounds = ["--vocabulary", "3", "--vocabulary", str(tmp_path / "list.txt"), "--cutoff", "0,0,1", "--prune", "1e-3"]
    assert main([*command, "--out", str(small), *bounds, "--evaluate", str(tmp_path / "held")]) == 0
    assert "0 of 6 words that the model does not know" in capsys.readouterr().out
    assert read_words(small) == ["THE", "CAT", "SAT", "RAN", "MOUSE", "RAT"]
    assert read_words(whole) == ["THE", "CAT", "SAT", "RAN", "A", "DOG"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cutoff", "0,x"], "--cutoff 0,x: must be at most 3 whole numbers"),
        (["--cutoff", "0,0,0,1"], "must be at most 3"),
        (["--prune", "nan"], "--prune nan: must be a number"),
        (["--prune", "-1"], "at least 0"),
        (["--prune", "9"], "no n-gram of two words or more is left"),
        (["--vocabulary", "5", "--vocabulary", "6"], "--vocabulary 6: there is one already, 5"),
        (["--vocabulary", "0"], "--vocabulary 0: must be at least 1"),
        (["--vocabulary", "absent.txt"], "absent.txt: cannot read text"),
        (["--units", "tokens", "--vocabulary", "5"], "all tokens are known"),
        (["--units", "tokens", "--cutoff", "1"], "all tokens are known"),
        (["--evaluate", "/absent"], "/absent: cannot read text"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    options: list[str], said: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--out", str(tmp_path / "lm.arpa"), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_transcripts_and_a_damaged_text_are_said(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "lm.arpa")]
    (tmp_path / "empty").mkdir()
    assert main([*command, *out, "--evaluate", str(tmp_path / "empty")]) == 2
    assert "no .trans.txt file in or below this folder" in capsys.readouterr().err
    packed = (tmp_path / "text.xz").read_bytes()
    (tmp_path / "text.xz").write_bytes(packed[:70] + bytes(4) + packed[74:])
    assert main([*command, *out]) == 2
    assert "text.xz: cannot read text" in capsys.readouterr().err


def test_the_recipes_own_model_is_not_replaced_by_a_pruned_one(
    recipe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (["--prune", "1e-7"], ["--cutoff", "0,1"], ["--vocabulary", "9"]):
        assert main(["lm", *recipe[1:], *option]) == 2
        assert "give --out FILE, and name it with decode.lm" in capsys.readouterr().err
