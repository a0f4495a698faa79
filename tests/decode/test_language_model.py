"""Searches with an n-gram model. Where no package for it is installed, only what is said of that is tested."""

from __future__ import annotations

import gzip
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

from asr.config import DecodeConfig, TokenConfig
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
from asr.decode.arpa import write_arpa
from asr.decode.choice import fuse, search_prefixes
from asr.decode.corpus import read_sentences
from asr.decode.language_model import TO_INSTALL, check_package, open_language_model, token_texts
from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.search import Weights, search_greedily
from asr.errors import UserError
from asr.text.normaliser import find_normaliser

TEXTS = ["THE CAT SAT", "THE CAT RAN", "A CAT SAT", "THE DOG RAN", "A DOG SAT", "THE CAT SAT", "THE BAT RAN"]


def make_tokens(folder: Path, config: TokenConfig) -> Path:
    folder.mkdir()
    write_manifest(folder / "t.jsonl", [Utterance(str(i), "x", 1.0, 0.0, "s", t) for i, t in enumerate(TEXTS)])
    build_tokens(config, folder / "t.jsonl", folder / "tokens")
    return folder / "tokens"


@pytest.fixture(params=["char", "unigram"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_tokens(tmp_path / request.param, TokenConfig(kind=request.param, size=16))


@pytest.fixture
def words_arpa(tmp_path: Path) -> Path:
    write_arpa(tmp_path / "words.arpa", train_ngrams([t.split() for t in TEXTS], NgramSettings(3)))
    return tmp_path / "words.arpa"


def tokens_arpa(folder: Path, tokens: Path) -> Path:
    units = token_texts(TEXTS, load_tokenizer(tokens))
    write_arpa(folder / "tokens.arpa", train_ngrams(units, NgramSettings(4)))
    return folder / "tokens.arpa"


def hear(tokens: Path, text: str, rival: str, doubt: float = 0.6) -> Tensor:
    """Log-probabilities `(1, frames, tokens)` in which every token of the rival is `doubt` likely, the text's less."""
    tokenizer = load_tokenizer(tokens)
    rows = []
    for right, wrong in zip(tokenizer.encode(text), tokenizer.encode(rival), strict=True):
        row = torch.full((tokenizer.size,), 1e-3)
        row[right] += 1 - doubt
        row[wrong] += doubt
        blank = torch.full((tokenizer.size,), 1e-3)
        blank[0] = 1.0
        rows += [row, blank]
    return (torch.stack(rows) / torch.stack(rows).sum(1, keepdim=True)).log()[None]


def decode(config: DecodeConfig, lm: Path, tokens: Path, log_probs: Tensor, weight: float = 1.0) -> str:
    pytest.importorskip("flashlight.lib.text")
    search = fuse(config, lm, tokens).weighted(Weights(weight, 0.0))
    return search(log_probs, torch.tensor([log_probs.shape[1]]))[0].text(load_tokenizer(tokens))


DATA = Path(__file__).parent / "data"
"""`words.arpa`, of `TEXTS`, and what KenLM's `build_binary` makes of it: `probing` and `trie`."""

CHARACTERS = pytest.mark.parametrize("tokens", ["char"], indirect=True)


@CHARACTERS
def test_a_model_of_words_corrects_a_word_that_was_misheard(tokens: Path, words_arpa: Path) -> None:
    heard = hear(tokens, "THE CAT SAT", "THE CAP SAT")
    greedy = search_greedily(heard, torch.tensor([heard.shape[1]]))[0]
    assert greedy.text(load_tokenizer(tokens)) == "THE CAP SAT"
    assert decode(DecodeConfig(), words_arpa, tokens, heard) == "THE CAT SAT"


def test_a_model_of_words_goes_with_characters_and_with_pieces(tokens: Path, words_arpa: Path) -> None:
    for text in TEXTS:
        assert decode(DecodeConfig(), words_arpa, tokens, hear(tokens, text, text)) == text


def test_without_a_lexicon_a_model_of_tokens_decides(tokens: Path, tmp_path: Path) -> None:
    lm = tokens_arpa(tmp_path, tokens)
    for text in TEXTS:
        assert decode(DecodeConfig(lexicon="none"), lm, tokens, hear(tokens, text, text)) == text


@CHARACTERS
def test_without_a_lexicon_other_words_can_be_written(tokens: Path, tmp_path: Path, words_arpa: Path) -> None:
    heard = hear(tokens, "THE RAT SAT", "THE RAT SAT")
    assert decode(DecodeConfig(lexicon="none"), tokens_arpa(tmp_path, tokens), tokens, heard) == "THE RAT SAT"
    assert "RAT" not in decode(DecodeConfig(), words_arpa, tokens, heard)


@CHARACTERS
@pytest.mark.parametrize("kind", ["probing", "trie"])
def test_a_binary_of_kenlm_decides_as_the_text_that_it_was_made_from(tokens: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "lexicon").write_text("\n".join(sorted({word for text in TEXTS for word in text.split()})))
    config = DecodeConfig(lexicon=str(tmp_path / "lexicon"))
    pairs = [(right, wrong) for right in TEXTS for wrong in TEXTS if len(right) == len(wrong)]
    heard = [hear(tokens, *pair, doubt) for pair in pairs for doubt in (0.3, 0.6)]
    text, binary = (
        [decode(config, DATA / file, tokens, one) for one in heard] for file in ("words.arpa", f"words.{kind}.bin")
    )
    assert binary == text
    assert len(set(text)) > 3
    misheard = hear(tokens, "THE CAT SAT", "THE CAP SAT")
    assert decode(config, DATA / f"words.{kind}.bin", tokens, misheard) == "THE CAT SAT"


@CHARACTERS
def test_special_words_in_a_lexicon_are_passed_over(tokens: Path, tmp_path: Path, words_arpa: Path) -> None:
    (tmp_path / "lexicon").write_text("<unk>\n<s>\n</s>\n<UNK>\nTHE\nCAT\nSAT\n")
    config = DecodeConfig(lexicon=str(tmp_path / "lexicon"))
    assert decode(config, words_arpa, tokens, hear(tokens, "THE CAT SAT", "THE CAP SAT")) == "THE CAT SAT"
    (tmp_path / "lexicon").write_text("<unk>\n")
    with pytest.raises(UserError, match="no words in this lexicon"):
        open_language_model(words_arpa, config.lexicon, load_tokenizer(tokens).symbols)


@CHARACTERS
def test_kenlm_draws_no_bars_over_what_is_told(
    tokens: Path, words_arpa: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert decode(DecodeConfig(), words_arpa, tokens, hear(tokens, "THE CAT SAT", "THE CAT SAT")) == "THE CAT SAT"
    assert capfd.readouterr().err == ""
    os.write(2, b"told")
    assert capfd.readouterr().err == "told"


@CHARACTERS
@pytest.mark.parametrize("lexicon", ["", "none"])
def test_hotwords_win_where_they_are_worth_more_than_the_doubt(
    lexicon: str, tokens: Path, tmp_path: Path, words_arpa: Path
) -> None:
    lm = words_arpa if not lexicon else tokens_arpa(tmp_path, tokens)
    # RATS is no word of the model: it joins the lexicon.
    heard = hear(tokens, "THE RATS RAN", "THE CATS RAN")
    plain = decode(DecodeConfig(lexicon=lexicon), lm, tokens, heard)
    assert "RATS" not in plain
    for weight in (1.0, 0.0):
        config = DecodeConfig(lexicon=lexicon, hotwords=("Rats",), hotword_score=30.0)
        assert decode(config, lm, tokens, heard, weight).split()[1:2] == ["RATS"]


@CHARACTERS
@pytest.mark.parametrize("lexicon", ["", "none"])
def test_what_is_found_does_not_depend_on_the_batch(
    lexicon: str, tokens: Path, tmp_path: Path, words_arpa: Path
) -> None:
    pytest.importorskip("flashlight.lib.text")
    lm = words_arpa if not lexicon else tokens_arpa(tmp_path, tokens)
    config = DecodeConfig(lexicon=lexicon, hotwords=("BAT",))
    search = fuse(config, lm, tokens).weighted(Weights(0.7, 0.5))
    noise = torch.randn(4, 40, 29, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    lengths = torch.tensor([40, 13, 1, 0])
    together = search(noise, lengths)
    alone = [search(noise[i : i + 1, :n], lengths[i : i + 1])[0] for i, n in enumerate(lengths.tolist())]
    assert together == alone
    assert together[3].ids == []


@CHARACTERS
def test_for_newer_pythons_another_package_takes_over(
    tokens: Path, tmp_path: Path, words_arpa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctc_beam_decoder")
    monkeypatch.setitem(sys.modules, "asr.decode.flashlight", None)
    heard = hear(tokens, "THE CAT SAT", "THE CAP SAT")
    lengths = torch.tensor([heard.shape[1]])
    found = fuse(DecodeConfig(), words_arpa, tokens).weighted(Weights(1.0, 0.0))(heard, lengths)[0]
    assert found.text(load_tokenizer(tokens)) == "THE CAT SAT"
    config = DecodeConfig(hotwords=("cap",), hotword_score=30.0)
    found = fuse(config, words_arpa, tokens).weighted(Weights(1.0, 0.0))(heard, lengths)[0]
    assert found.text(load_tokenizer(tokens)) == "THE CAP SAT"
    with pytest.raises(UserError, match="needs flashlight-text"):
        fuse(DecodeConfig(lexicon="none"), tokens_arpa(tmp_path, tokens), tokens)


@CHARACTERS
def test_without_any_package_it_is_said_what_to_install(
    tokens: Path, words_arpa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("asr.decode.flashlight", "asr.decode.open_vocabulary", "flashlight", "ctc_beam_decoder"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as error:
        fuse(DecodeConfig(), words_arpa, tokens)
    assert str(error.value) == TO_INSTALL
    with pytest.raises(UserError, match="-m pip install "):
        check_package()


@CHARACTERS
def test_a_model_and_a_lexicon_that_do_not_fit_are_refused(tokens: Path, tmp_path: Path, words_arpa: Path) -> None:
    symbols = load_tokenizer(tokens).symbols
    with pytest.raises(UserError, match="kappa-asr lm --units tokens"):
        open_language_model(words_arpa, "none", symbols)
    with pytest.raises(UserError, match="a model of tokens, not of words"):
        open_language_model(tokens_arpa(tmp_path, tokens), "", symbols)
    (tmp_path / "binary").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    with pytest.raises(UserError, match="the words of a binary cannot be read"):
        open_language_model(tmp_path / "binary", "", symbols)
    with pytest.raises(UserError, match="name a file of them with --lexicon, or set it to none"):
        fuse(DecodeConfig(), tmp_path / "binary", tokens, "--lexicon")
    (tmp_path / "lexicon").write_text("CAT C A T |\nCAT\nDOG\n\n")
    assert open_language_model(tmp_path / "binary", str(tmp_path / "lexicon"), symbols).words == ["CAT", "DOG"]
    with pytest.raises(UserError, match="cannot read lexicon"):
        open_language_model(words_arpa, str(tmp_path / "absent"), symbols)


@CHARACTERS
def test_a_hotword_that_cannot_be_spelled_is_refused(tokens: Path, words_arpa: Path) -> None:
    for search in (lambda c: search_prefixes(c, tokens), lambda c: fuse(c, words_arpa, tokens)):
        with pytest.raises(UserError, match="hotword 'C3PO': has characters"):
            search(DecodeConfig(hotwords=("fine", "C3PO")))


@CHARACTERS
def test_texts_are_read_in_any_form_and_written_as_the_recognizer_writes(tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One, two!\n\n")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("don't\n")
    (tmp_path / "c.trans.txt").write_text("id-1 three\n")
    write_manifest(tmp_path / "d.jsonl", [Utterance("x", "x.wav", 1.0, text="FOUR")])
    names = [str(tmp_path / name) for name in ("a.txt", "b.txt.gz", "c.trans.txt", "d.jsonl")]
    how = (load_tokenizer(tokens), find_normaliser("upper"), "", Counter[str]())
    assert [*read_sentences(names, *how)] == ["ONE TWO", "", "DON'T", "THREE", "FOUR"]
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"bad\.gz: cannot read text"):
        list(read_sentences([str(tmp_path / "bad.gz")], *how))
