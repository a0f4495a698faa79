from __future__ import annotations

import gzip
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from asr.decode import ngram
from asr.decode.arpa import is_arpa, read_words, write_arpa
from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.ngram_counts import BEGIN, END, UNKNOWN, count_ngrams, encode_text
from asr.decode.ngram_pruning import worth_keeping
from asr.decode.perplexity import measure_perplexity
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


SHRUNK = NgramSettings(4, cutoffs=(0, 0, 1), prune=2e-4, most_words=20, named_words=frozenset({"W29", "ELSEWHERE"}))


@pytest.mark.parametrize(
    ("count", "settings"),
    [(400, NgramSettings(n)) for n in (1, 2, 3, 5)]
    + [(2, NgramSettings(3)), (400, NgramSettings(4, (0, 1, 2))), (400, NgramSettings(3, prune=1e-3)), (400, SHRUNK)],
)
def test_after_every_context_probabilities_sum_to_one(count: int, settings: NgramSettings, tmp_path: Path) -> None:
    model = train_ngrams(sentences(count), settings)
    order = len(model.tables)
    write_arpa(tmp_path / "lm.arpa", model)
    rows = read_arpa(tmp_path / "lm.arpa")
    words = [gram[0] for gram in rows if len(gram) == 1 and gram[0] != BEGIN]
    assert {UNKNOWN, END} < set(words)
    contexts = [gram for gram in rows if len(gram) < order and gram[-1] != END]
    assert any(gram[0] == BEGIN for gram in contexts) or order == 1
    for context in [(), ("NEVER", "SEEN"), *contexts[:: max(1, len(contexts) // 200)]]:
        assert sum(probability(rows, context, word) for word in words) == pytest.approx(1, abs=2e-4), context


def test_every_ngram_of_the_text_is_there_and_none_spans_two_sentences() -> None:
    model = train_ngrams([["A", "B", "A"], ["B"]], NgramSettings(3))
    words = np.array(model.words)
    pairs = set(zip(words[model.tables[1].context], words[model.tables[1].word], strict=True))
    assert pairs == {(BEGIN, "A"), ("A", "B"), ("B", "A"), ("A", END), (BEGIN, "B"), ("B", END)}
    two = [f"{words[c]} {words[w]}" for c, w in zip(model.tables[1].context, model.tables[1].word, strict=True)]
    three = {f"{two[c]} {words[w]}" for c, w in zip(model.tables[2].context, model.tables[2].word, strict=True)}
    assert three == {"<s> A B", "A B A", "B A </s>", "<s> B </s>"}


def test_bigrams_have_the_probabilities_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "_discounts", lambda _: np.array([0.0, 0.5, 0.75, 1.0]))
    model = train_ngrams([["A", "B"], ["A", "B"], ["A", "C"]], NgramSettings(2))
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
        write_arpa(tmp_path / "lm.arpa", train_ngrams(sentences(600), NgramSettings(order)))
        rows = read_arpa(tmp_path / "lm.arpa")
        total = 0.0
        for sentence in sentences(50, seed=1):
            padded = [BEGIN, *sentence, END]
            for end in range(1, len(padded)):
                total += float(np.log(probability(rows, tuple(padded[max(0, end + 1 - order) : end]), padded[end])))
        found.append(total)
    assert found[1] > found[0] + 50


@pytest.mark.parametrize("settings", [NgramSettings(3), NgramSettings(4, (0, 1), 1e-4), SHRUNK])
def test_kenlm_gives_the_probabilities_that_the_file_defines(settings: NgramSettings, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    text = sentences(300)
    own_model = train_ngrams(text, settings)
    before = len(own_model.tables) - 1
    write_arpa(tmp_path / "lm.arpa", own_model)
    rows = read_arpa(tmp_path / "lm.arpa")
    model = kenlm.Model(str(tmp_path / "lm.arpa"))
    assert model.order == before + 1 == settings.order
    for sentence in [*text[:20], ["NEVER", "W3", "W1"]]:
        padded = [BEGIN, *(w if (w,) in rows else UNKNOWN for w in sentence), END]
        own = sum(
            np.log10(probability(rows, tuple(padded[max(0, end - before) : end]), padded[end]))
            for end in range(1, len(padded))
        )
        assert model.score(" ".join(sentence)) == pytest.approx(own, abs=1e-4)


@pytest.mark.parametrize("settings", [NgramSettings(2), NgramSettings(4), SHRUNK])
def test_perplexity_is_that_of_the_known_words_and_ends(settings: NgramSettings, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    own_model = train_ngrams(sentences(300), settings)
    write_arpa(tmp_path / "lm.arpa", own_model)
    model = kenlm.Model(str(tmp_path / "lm.arpa"))
    held_out = [*sentences(60, seed=1), ["NEVER", "W3", UNKNOWN, "W1"]]
    logs = [
        log
        for sentence in held_out
        for log, _, unknown in model.full_scores(" ".join(w if w != UNKNOWN else "?" for w in sentence))
        if not unknown
    ]
    found = measure_perplexity(own_model, held_out)
    assert found.value == pytest.approx(10 ** -np.mean(logs), rel=2e-4)
    assert found.words == sum(map(len, held_out))
    assert (found.predicted, found.unknown) == (len(logs), found.words + len(held_out) - len(logs))
    assert np.isnan(measure_perplexity(own_model, []).value)


def test_counts_are_those_of_a_dictionary() -> None:
    text = sentences(200)
    words, ids = encode_text(text)
    counts = Counter(
        tuple(padded[start : start + n])
        for padded in ([BEGIN, *sentence, END] for sentence in text)
        for n in (1, 2, 3, 4)
        for start in range(len(padded) - n + 1)
    )
    found: dict[tuple[str, ...], int] = {}
    grams: list[tuple[str, ...]] = [()]
    for table in count_ngrams(ids, 4, len(words)):
        below, grams = grams, [(*grams[c], words[w]) for c, w in zip(table.context, table.word, strict=True)]
        if len(grams[0]) > 1:
            assert [gram[1:] for gram in grams] == [below[row] for row in table.suffix]
        assert table.begins.tolist() == [gram[0] == BEGIN for gram in grams]
        found |= {gram: int(n) for gram, n in zip(grams, table.count, strict=True) if n}
    assert found == counts


def test_what_is_cut_off_gives_its_whole_count_to_the_order_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "_discounts", lambda _: np.array([0.0, 0.5, 0.75, 1.0]))
    text = [["A", "B"], ["A", "B"], ["C", "B"], ["A", "D"]]
    model = train_ngrams(text, NgramSettings(2, cutoffs=(0, 1)))
    found = dict(zip(zip(*_columns(model), strict=True), model.tables[1].probability, strict=True))
    names = {(model.words[c], model.words[w]): p for (c, w), p in found.items()}
    assert set(names) == {(BEGIN, "A"), ("A", "B"), ("B", END)}
    # After one word each: A, C, D, and once more B after a C that is not kept; </s> after B, and once after D.
    total = 1 + 1 + 2 + 1 + 2
    left = (3 * 0.5 + 2 * 0.75) / total
    end = (2 - 0.75) / total + left / 6
    # Of three B, all with </s>, more than 2 are counted: 1 is taken.
    assert names["B", END] == pytest.approx((3 - 1) / 3 + 1 / 3 * end)
    assert model.tables[0].backoff[model.words.index("C")] == 1


@pytest.mark.parametrize("order", [2, 3])
def test_pruned_is_what_changes_perplexity_least(order: int) -> None:
    text = sentences(150)
    words, ids = encode_text(text)
    tables = count_ngrams(ids, order, len(words))
    kept = [np.ones(len(table.word), dtype=bool) for table in tables]
    probabilities, backoffs = ngram._estimate(tables, [table.count for table in tables], kept)
    table, below = tables[-1], probabilities[-2]
    events = sum(len(sentence) + 1 for sentence in text)
    rises = []
    for row in range(len(table.word)):
        # All that follows on this context, with the n-gram and, backed off to, without it.
        same = np.flatnonzero(table.context == table.context[row])
        others = same[same != row]
        before = np.array([probabilities[-1][i] for i in same])
        new_backoff = (1 - probabilities[-1][others].sum()) / (1 - below[table.suffix[others]].sum())
        after = [probabilities[-1][i] if i != row else new_backoff * below[table.suffix[i]] for i in same]
        unseen = 1 - before.sum()
        distance = (before * np.log(before / after)).sum()
        distance += unseen * np.log(backoffs[-2][table.context[row]] / new_backoff)
        rises.append(np.expm1(tables[-2].count[table.context[row]] / events * distance))
    for threshold in np.quantile(rises, [0.1, 0.5, 0.9]):
        worth = worth_keeping(tables, kept, probabilities, backoffs, threshold * (1 + 1e-9))
        assert worth[-1].tolist() == [rise > threshold * (1 + 1e-9) for rise in rises]


def test_a_pruned_model_is_better_than_one_that_is_cut_off_to_the_same_size() -> None:
    text, held_out = sentences(3000), sentences(300, seed=1)

    def measure(settings: NgramSettings) -> tuple[int, float]:
        model = train_ngrams(text, settings)
        return sum(len(table.word) for table in model.tables), measure_perplexity(model, held_out).value

    all_of_it, cut_off = measure(NgramSettings(3)), measure(NgramSettings(3, (0, 8)))
    pruned = measure(NgramSettings(3, prune=7e-5))
    assert pruned[0] < cut_off[0] < all_of_it[0] / 2
    assert pruned[1] < cut_off[1]


def test_words_that_are_rare_become_unknown_unless_they_are_named() -> None:
    text = [["A", "A", "A"], ["B", "B"], ["D", "C"], ["D"]]
    assert train_ngrams(text, NgramSettings(2)).words[3:] == ["A", "B", "D", "C"]
    assert train_ngrams(text, NgramSettings(2, most_words=2)).words[3:] == ["A", "B"]
    assert train_ngrams(text, NgramSettings(2, cutoffs=(1, 0))).words[3:] == ["A", "B", "D"]
    named = NgramSettings(2, most_words=0, named_words=frozenset({"D", "NEW", BEGIN}))
    model = train_ngrams(text, named)
    assert model.words == [UNKNOWN, BEGIN, END, "D", "NEW"]
    unknown = model.tables[0].probability[0]
    assert unknown > model.tables[0].probability[3] > model.tables[0].probability[4] > 0
    assert (0, 0) in set(zip(*_columns(model), strict=True))


def test_orders_of_which_nothing_is_left_are_left_out() -> None:
    assert len(train_ngrams([["A"], ["B"]], NgramSettings(6)).tables) == 3
    assert len(train_ngrams([["A", "B"], ["A", "C"]], NgramSettings(4, (0, 0, 5))).tables) == 2
    with pytest.raises(UserError, match="no n-gram of two words or more is left"):
        train_ngrams([["A", "B"]], NgramSettings(3, prune=100.0))


def test_words_are_read_back_without_the_special_ones(tmp_path: Path) -> None:
    write_arpa(tmp_path / "lm.arpa", train_ngrams([["B", "A"], ["<s>", "C"]], NgramSettings(2)))
    assert is_arpa(tmp_path / "lm.arpa")
    assert read_words(tmp_path / "lm.arpa") == ["B", "A", "C"]
    assert not list(tmp_path.glob(".*"))


def test_fewer_decimals_make_a_smaller_file_of_almost_the_same_model(tmp_path: Path) -> None:
    model = train_ngrams(sentences(50), NgramSettings(3))
    write_arpa(tmp_path / "4.arpa", model)
    write_arpa(tmp_path / "2.arpa", model, decimals=2)
    exact, rough = read_arpa(tmp_path / "4.arpa"), read_arpa(tmp_path / "2.arpa")
    assert exact.keys() == rough.keys()
    assert (tmp_path / "2.arpa").stat().st_size < 0.9 * (tmp_path / "4.arpa").stat().st_size
    for gram, (one, _) in exact.items():
        assert rough[gram][0] == pytest.approx(one, rel=0.012)


def test_a_compressed_model_is_the_same_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    model = train_ngrams(sentences(50), NgramSettings(3))
    packed = tmp_path / "lm.arpa.gz"
    for path in (tmp_path / "lm.arpa", packed):
        write_arpa(path, model)
    content = packed.read_bytes()
    assert gzip.decompress(content) == (tmp_path / "lm.arpa").read_bytes()
    assert is_arpa(packed)
    assert read_words(packed) == read_words(tmp_path / "lm.arpa")
    for damaged in (content[:100], content[:40] + bytes(40) + content[80:]):
        packed.write_bytes(damaged)
        with pytest.raises(UserError, match=r"lm\.arpa\.gz: cannot read"):
            read_words(packed)


def test_no_text_and_no_model_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        train_ngrams(itertools.repeat([], 3), NgramSettings(3))
    (tmp_path / "x").write_text("words\n")
    assert not is_arpa(tmp_path / "x")
    with pytest.raises(UserError, match="no words in this language model"):
        read_words(tmp_path / "x")
    with pytest.raises(UserError, match="cannot read language model"):
        is_arpa(tmp_path / "absent.arpa")
