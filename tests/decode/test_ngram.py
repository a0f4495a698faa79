from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from asr.decode import ngram
from asr.decode.arpa import is_arpa, read_words, write_arpa
from asr.decode.ngram import BEGIN, END, UNKNOWN, train_ngrams
from asr.errors import UserError

Arpa = dict[tuple[str, ...], tuple[float, float]]


def read_arpa(path: Path) -> Arpa:
    """Probability and backoff of every n-gram, by a reader that shares nothing with the writer."""
    rows: Arpa = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split("\t")
        if len(parts) > 1:
            rows[tuple(parts[1].split())] = 10 ** float(parts[0]), 10 ** float(parts[2]) if len(parts) > 2 else 1.0
    return rows


def probability(rows: Arpa, history: tuple[str, ...], word: str) -> float:
    """As an ARPA file defines it: of the longest n-gram there is, with the backoffs on the way."""
    if (*history, word) in rows:
        return rows[(*history, word)][0]
    return rows.get(history, (0.0, 1.0))[1] * probability(rows, history[1:], word)


def sentences(count: int, seed: int = 0) -> list[list[str]]:
    """Text in which words depend on those before."""
    rng = np.random.default_rng(seed)
    words = [f"W{i}" for i in range(30)]
    text = []
    for _ in range(count):
        at, sentence = int(rng.integers(30)), []
        for _ in range(int(rng.integers(1, 12))):
            at = int(rng.zipf(1.6) * (at + 3)) % 30
            sentence.append(words[at])
        text.append(sentence)
    return text


@pytest.mark.parametrize(("count", "order"), [(400, 1), (400, 2), (400, 3), (400, 5), (2, 3)])
def test_after_every_context_probabilities_sum_to_one(count: int, order: int, tmp_path: Path) -> None:
    text = sentences(count)
    write_arpa(tmp_path / "lm.arpa", train_ngrams(text, order))
    rows = read_arpa(tmp_path / "lm.arpa")
    words = [gram[0] for gram in rows if len(gram) == 1 and gram[0] != BEGIN]
    assert {UNKNOWN, END} < set(words)
    contexts = [gram for gram in rows if len(gram) < order and gram[-1] != END]
    assert any(gram[0] == BEGIN for gram in contexts) or order == 1
    for context in [(), ("NEVER", "SEEN"), *contexts[:: max(1, len(contexts) // 200)]]:
        assert sum(probability(rows, context, word) for word in words) == pytest.approx(1, abs=1e-4), context


def test_every_ngram_of_the_text_is_there_and_none_spans_two_sentences() -> None:
    model = train_ngrams([["A", "B", "A"], ["B"]], 3)
    words = np.array(model.words)
    pairs = set(zip(words[model.tables[1].context], words[model.tables[1].word], strict=True))
    assert pairs == {(BEGIN, "A"), ("A", "B"), ("B", "A"), ("A", END), (BEGIN, "B"), ("B", END)}
    two = [f"{words[c]} {words[w]}" for c, w in zip(model.tables[1].context, model.tables[1].word, strict=True)]
    three = {f"{two[c]} {words[w]}" for c, w in zip(model.tables[2].context, model.tables[2].word, strict=True)}
    assert three == {"<s> A B", "A B A", "B A </s>", "<s> B </s>"}


def test_bigrams_have_the_probabilities_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "_discounts", lambda _: np.array([0.0, 0.5, 0.75, 1.0]))
    model = train_ngrams([["A", "B"], ["A", "B"], ["A", "C"]], 2)
    # Vocabulary: <unk>, </s>, A, B, C. Words before: A after 1, B after 1, C after 1, </s> after 2 different ones.
    row = {(model.words[c], model.words[w]): r for r, (c, w) in enumerate(zip(*_columns(model), strict=True))}
    left = (3 * 0.5 + 0.75) / 5
    unigram = {"B": (1 - 0.5) / 5 + left / 5, "</s>": (2 - 0.75) / 5 + left / 5}
    left_after_a = (0.75 + 0.5) / 3
    assert model.tables[1].probability[row["A", "B"]] == pytest.approx((2 - 0.75) / 3 + left_after_a * unigram["B"])
    left_after_c = 0.5
    assert model.tables[1].probability[row["C", "</s>"]] == pytest.approx(0.5 + left_after_c * unigram["</s>"])
    assert model.tables[0].backoff[model.words.index("A")] == pytest.approx(left_after_a)


def _columns(model: ngram.NgramModel) -> tuple[list[int], list[int]]:
    return model.tables[1].context.tolist(), model.tables[1].word.tolist()


def test_a_model_of_text_like_the_test_text_finds_it_likelier_than_one_of_single_words(tmp_path: Path) -> None:
    found = []
    for order in (1, 3):
        write_arpa(tmp_path / "lm.arpa", train_ngrams(sentences(600), order))
        rows = read_arpa(tmp_path / "lm.arpa")
        total = 0.0
        for sentence in sentences(50, seed=1):
            padded = [BEGIN, *sentence, END]
            for end in range(1, len(padded)):
                total += float(np.log(probability(rows, tuple(padded[max(0, end + 1 - order) : end]), padded[end])))
        found.append(total)
    assert found[1] > found[0] + 50


def test_kenlm_gives_the_probabilities_that_the_file_defines(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    text = sentences(300)
    write_arpa(tmp_path / "lm.arpa", train_ngrams(text, 3))
    rows = read_arpa(tmp_path / "lm.arpa")
    model = kenlm.Model(str(tmp_path / "lm.arpa"))
    for sentence in [*text[:20], ["NEVER", "W3", "W1"]]:
        padded = [BEGIN, *(w if (w,) in rows else UNKNOWN for w in sentence), END]
        own = sum(
            np.log10(probability(rows, tuple(padded[max(0, end - 2) : end]), padded[end]))
            for end in range(1, len(padded))
        )
        assert model.score(" ".join(sentence)) == pytest.approx(own, abs=1e-4)


def test_words_are_read_back_without_the_special_ones(tmp_path: Path) -> None:
    write_arpa(tmp_path / "lm.arpa", train_ngrams([["B", "A"], ["<s>", "C"]], 2))
    assert is_arpa(tmp_path / "lm.arpa")
    assert read_words(tmp_path / "lm.arpa") == ["B", "A", "C"]
    assert not list(tmp_path.glob(".*"))


def test_no_text_and_no_model_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        train_ngrams(itertools.repeat([], 3), 3)
    (tmp_path / "x").write_text("words\n")
    assert not is_arpa(tmp_path / "x")
    with pytest.raises(UserError, match="no words in this language model"):
        read_words(tmp_path / "x")
    with pytest.raises(UserError, match="cannot read language model"):
        is_arpa(tmp_path / "absent.arpa")
