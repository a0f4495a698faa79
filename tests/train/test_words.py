"""Pseudo-labels that are sentences of known words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tiny_corpus import WORDS, TinyCorpus

from asr.cli.main import main
from asr.config import PseudoConfig
from asr.data.tokens import load_tokenizer
from asr.decode.search import search_greedily
from asr.errors import UserError
from asr.pseudo.labeler import pack_all, read_labels
from asr.pseudo.words import open_word_search
from asr.train.checkpoint import load_newest
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
    (first, second, third) = read_labels(packed, [5, 6, 7], tokenizer, 1.0, "teacher, words", search_greedily)
    assert [first.row, second.row, third.row] == [5, 6, 7]
    assert [first.frames, second.frames, third.frames] == [40, 1, 23]
    rounded = log_probs.bfloat16().float()
    assert third.mean_log_prob == pytest.approx(float(rounded[2, :23].max(-1).values.mean()), abs=1e-2)
    (alone,) = search_greedily(rounded[2:], lengths[2:])
    assert list(third.tokens) == tokenizer.encode(alone.text(tokenizer))


def test_known_words_are_found_where_the_likeliest_path_spells_others(tiny_corpus: TinyCorpus, lm: Path) -> None:
    tokenizer = load_tokenizer(tiny_corpus.tokens)
    search = open_word_search(PseudoConfig(search="words", lm=str(lm)), tiny_corpus.tokens)
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
