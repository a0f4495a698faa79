"""Pseudo-labels that are sentences of known words."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_corpus import WORDS, TinyCorpus
from torch.nn.functional import ctc_loss

from asr.checkpoint.checkpoint import load_newest
from asr.cli.main import main
from asr.config import PseudoConfig
from asr.data.phones import PhoneTokenizer
from asr.data.tokens import load_tokenizer
from asr.decode.search import search_greedily
from asr.errors import UserError
from asr.pseudo.labeler import pack_all, read_labels, respell
from asr.pseudo.words import open_word_search
from asr.train.run import train


@pytest.fixture
def lm(tiny_corpus: TinyCorpus, tmp_path: Path) -> Path:
    """N-grams of words of the labeled text."""
    pytest.importorskip("flashlight.lib.text", reason="needs the extra lm")
    out = tmp_path / "labeled.arpa"
    labeled = str(tiny_corpus.manifests / "labeled.jsonl")
    assert main(["lm", labeled, "--tokens", str(tiny_corpus.tokens), "--out", str(out)]) == 0
    return out


def with_words(corpus: TinyCorpus, lm: str, **more: float) -> TinyCorpus:
    pseudo = dataclasses.replace(corpus.config.pseudo, search="words", lm=lm, **more)
    return dataclasses.replace(corpus, config=dataclasses.replace(corpus.config, pseudo=pseudo))


def test_a_search_on_the_host_gets_what_the_device_has_heard(tiny_corpus: TinyCorpus) -> None:
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    log_probs = torch.randn(3, 40, tokenizer.size).log_softmax(-1)
    lengths = torch.tensor([40, 1, 23])
    packed = pack_all(log_probs.bfloat16(), lengths)
    assert packed.shape == (3, 40 * tokenizer.size + 1)
    (first, second, third) = read_labels(packed, [5, 6, 7], tokenizer, 1.0, "teacher, words", search_greedily)
    assert [first.row, second.row, third.row] == [5, 6, 7]
    assert [first.frames, second.frames, third.frames] == [40, 1, 23]
    rounded = log_probs.bfloat16().float()
    (alone,) = search_greedily(rounded[2:], lengths[2:])
    assert list(third.tokens) == tokenizer.encode(alone.text(tokenizer))
    target = torch.tensor([third.tokens])
    paths = ctc_loss(rounded[2:, :23].transpose(0, 1), target, lengths[2:], torch.tensor([target.shape[1]]))
    assert third.mean_log_prob == pytest.approx(-float(paths) * target.shape[1] / 23, rel=1e-4)


def test_how_sure_a_label_is_says_how_likely_its_words_are(tiny_corpus: TinyCorpus, lm: Path) -> None:
    """And not how likely the letters are in whose place they were put."""
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    search = open_word_search(PseudoConfig(search="words", lm=str(lm)), tiny_corpus.tokens, print)
    found = []
    for text in ("TWO FIVE", "TWO HIVE"):
        path = [t for i in tokenizer.encode(text) for t in (i, 0)]
        log_probs = torch.full((1, len(path), tokenizer.size), -6.0)
        log_probs[0, torch.arange(len(path)), path] = 0.0
        packed = pack_all(log_probs.log_softmax(-1), torch.tensor([len(path)]))
        found += read_labels(packed, [0], tokenizer, 1.0, "", search)
    assert [tokenizer.decode(label.tokens) for label in found] == ["TWO FIVE", "TWO FIVE"]
    assert found[0].mean_log_prob > -0.1 > found[1].mean_log_prob


def test_phones_have_boundaries_between_two_of_them_alone() -> None:
    tokenizer = PhoneTokenizer(["A", "B"], lambda: pytest.fail("no text is said"), boundary=True, cased=False)
    edge, a, b = 1, 2, 3
    assert tokenizer.boundary == edge
    assert respell(tokenizer, [edge, edge, a, edge, edge, b, a, edge]) == (a, edge, b, a)
    assert respell(tokenizer, [edge, edge]) == ()


def test_known_words_are_found_where_the_likeliest_path_spells_others(tiny_corpus: TinyCorpus, lm: Path) -> None:
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    search = open_word_search(PseudoConfig(search="words", lm=str(lm)), tiny_corpus.tokens, print)
    ids = tokenizer.encode("TWO FIVE")
    path = [t for i in ids for t in (i, 0)]
    log_probs = torch.full((1, len(path), tokenizer.size), -6.0)
    log_probs[0, torch.arange(len(path)), path] = 0.0
    heard, wrong = path.index(tokenizer.encode("F")[-1]), tokenizer.encode("H")[-1]
    log_probs[0, heard, wrong] = 1.0
    log_probs = log_probs.log_softmax(-1)
    packed = pack_all(log_probs, torch.tensor([len(path)]))
    assert tokenizer.decode(search_greedily(log_probs, torch.tensor([len(path)]))[0].ids) == "TWO HIVE"
    (label,) = read_labels(packed, [0], tokenizer, 1.0, "", search)
    assert tokenizer.decode(label.tokens) == "TWO FIVE"


def test_labels_of_known_words_are_the_same_after_a_stop(tiny_corpus: TinyCorpus, lm: Path, tmp_path: Path) -> None:
    corpus = with_words(tiny_corpus, str(lm), cache_hours=0.005)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "whole")
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "parts", stop_after=8)
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "parts")
    whole, parts = (load_newest(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == (tmp_path / "parts" / "metrics.jsonl").read_text()
    for name, tensors in whole.tensors.items():
        # As bytes: what is not a number equals itself.
        assert {k: t.numpy().tobytes() for k, t in tensors.items()} == {
            k: t.numpy().tobytes() for k, t in parts.tensors[name].items()
        }, name
    tokens = whole.tensors["labels"]["tokens"].tolist()
    ends = whole.tensors["labels"]["tokens_end"].tolist()
    tokenizer = load_tokenizer(corpus.tokens)
    texts = [tokenizer.decode(tokens[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
    assert len(texts) > 5
    assert {word for text in texts for word in text.split()} <= set(WORDS)


def test_training_says_that_a_language_model_is_missing(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus = with_words(tiny_corpus, "")
    with pytest.raises(UserError, match=r"pseudo\.lm names no language model"):
        train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "run")


def test_stage_3_makes_the_language_model_of_labels(
    recipe: list[str], tmp_path: Path, lm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*recipe, "--set", "pseudo.search=words", "--stop-stage", "3"]
    assert main(words) == 0
    assert "language model: made from" in capsys.readouterr().out
    assert main(["profile", *recipe[1:], "--set", "pseudo.search=words", "--steps", "1"]) == 0
    # A language model of one's own names the run by its content.
    own = [*words, "--set", f"pseudo.lm={lm}"]
    assert main(own) == 0
    lm.write_text(lm.read_text().replace("\\end\\", "\\end\\\n"))
    assert main(own) == 0
    assert len(list(tmp_path.glob("exp/tiny/runs/*/complete.json"))) == 3


def test_a_run_keeps_to_its_language_model(tiny_corpus: TinyCorpus, lm: Path, tmp_path: Path) -> None:
    corpus = with_words(tiny_corpus, str(lm))
    train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "run", stop_after=5)
    lm.write_text(lm.read_text().replace("\\end\\", "\\end\\\n"))
    with pytest.raises(UserError, match="searched with another language model"):
        train(corpus.config, corpus.manifests, corpus.tokens, tmp_path / "run")


def test_a_language_model_that_is_none_of_words_is_refused_by_its_setting(
    tiny_corpus: TinyCorpus, tmp_path: Path, recipe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flashlight.lib.text", reason="needs the extra lm")
    letters, labeled = tmp_path / "letters.arpa", str(tiny_corpus.manifests / "labeled.jsonl")
    made = ["lm", labeled, "--units", "tokens", "--tokens", str(tiny_corpus.tokens), "--out", str(letters)]
    assert main(made) == 0
    with pytest.raises(UserError, match=r"pseudo\.lm = .*letters\.arpa: a model of tokens"):
        open_word_search(PseudoConfig(search="words", lm=str(letters)), tiny_corpus.tokens, print)
    binary = tmp_path / "model.bin"
    binary.write_bytes(b"mmap lm")
    for name, why in (("model.bin", "must be an ARPA file"), ("none.arpa", "cannot read language model")):
        assert main([*recipe, "--set", "pseudo.search=words", "--set", f"pseudo.lm={tmp_path / name}"]) == 2
        assert why in capsys.readouterr().err
    # Before any stage.
    assert not (tmp_path / "exp").exists()


def test_two_processes_that_need_the_same_language_model_make_one(recipe: list[str]) -> None:
    pytest.importorskip("flashlight.lib.text", reason="needs the extra lm")
    assert main([*recipe, "--stop-stage", "2"]) == 0
    run = [sys.executable, "-m", "asr", *recipe, "--set", "pseudo.search=words", "--stop-stage", "3"]
    both = [subprocess.Popen([*run, "--set", f"seed={s}"], stderr=subprocess.PIPE, text=True) for s in (1, 2)]
    for process in both:
        _, said = process.communicate()
        assert process.returncode == 0, said
