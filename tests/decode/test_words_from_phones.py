"""Words from phones. Where flashlight-text is not installed, only what is said of that is tested."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from asr.config import DecodeConfig, TokenConfig
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
from asr.decode.arpa import write_arpa
from asr.decode.choice import fuse, search_prefixes
from asr.decode.language_model import lexicon_beside
from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.repeats import merge_repeats
from asr.decode.search import Sentence, Weights
from asr.errors import UserError

LEXICON = """THE DH AH0
THE DH IY0
CAT K AE1 T
KAT K AE1 T
CATS K AE1 T S
SAT S AE1 T
READ R IY1 D
READ R EH1 D
RED R EH1 D
REED R IY1 D
A AH0
BOOK B UH1 K
I AY1
"""
TEXTS = ["I READ A BOOK", "I READ THE BOOK", "A RED CAT SAT", "THE RED BOOK", "THE REED", "A CAT SAT", "KAT SAT"]
TEXTS += ["THE RED CATS"]
USUAL = DecodeConfig()


def make_tokens(folder: Path, boundary: bool, lexicon: str = LEXICON) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "lexicon").write_text(lexicon)
    write_manifest(folder / "t.jsonl", [Utterance(str(i), "x", 1.0, 0.0, "s", t) for i, t in enumerate(TEXTS)])
    config = TokenConfig(kind="phones", lexicon=str(folder / "lexicon"), boundary=boundary)
    build_tokens(config, folder / "t.jsonl", folder / "tokens")
    return folder / "tokens"


@pytest.fixture(params=[False, True], ids=["phones", "phones and boundaries"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_tokens(tmp_path / "made", request.param)


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    write_arpa(tmp_path / "words.arpa", train_ngrams([t.split() for t in TEXTS], NgramSettings(3)))
    return tmp_path / "words.arpa"


def hear(tokens: Path, phones: str, frames: int = 1, sure: float = 0.9) -> Tensor:
    """Log-probabilities `(1, frames, tokens)` of phones, `|` between words, each for so many frames, then a blank."""
    symbols = load_tokenizer(tokens).symbols
    rows = []
    for phone in phones.split():
        token = "▁" if phone == "|" else f"▁{phone}"
        if token in symbols:
            rows += [symbols.index(token)] * frames + [0]
    probs = torch.full((len(rows), len(symbols)), (1 - sure) / (len(symbols) - 1))
    probs[torch.arange(len(rows)), rows] = sure
    return probs.log()[None]


def find(tokens: Path, lm: Path, log_probs: Tensor, config: DecodeConfig = USUAL, weight: float = 1.0) -> Sentence:
    pytest.importorskip("flashlight.lib.text")
    return fuse(config, lm, tokens).weighted(Weights(weight, 0.0))(log_probs, torch.tensor([log_probs.shape[1]]))[0]


def text(tokens: Path, lm: Path, phones: str, frames: int = 1, config: DecodeConfig = USUAL) -> str:
    return find(tokens, lm, hear(tokens, phones, frames), config).text(load_tokenizer(tokens))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_known_phones_give_the_words_that_were_said(tokens: Path, arpa: Path, frames: int) -> None:
    assert text(tokens, arpa, "AH | R EH D | K AE T | S AE T", frames) == "A RED CAT SAT"
    assert text(tokens, arpa, "DH IY | R IY D", frames) == "THE REED"


def test_what_words_are_said_alike_is_told_apart_by_the_language_model(tokens: Path, arpa: Path) -> None:
    assert text(tokens, arpa, "AY | R EH D | AH | B UH K") == "I READ A BOOK"
    assert text(tokens, arpa, "AY | R IY D | DH AH | B UH K") == "I READ THE BOOK"
    assert text(tokens, arpa, "DH AH | R EH D | B UH K") == "THE RED BOOK"
    assert text(tokens, arpa, "K AE T | S AE T") == "KAT SAT"


def test_every_word_has_the_phones_by_which_it_was_found(tokens: Path, arpa: Path) -> None:
    tokenizer = load_tokenizer(tokens)
    found = find(tokens, arpa, hear(tokens, "DH IY | R EH D | K AE T S", 2))
    assert [word.text for word in found.words or ()] == ["THE", "RED", "CATS"]
    assert [tokenizer.decode(word.ids) for word in found.words or ()] == ["DH IY", "R EH D", "K AE T S"]
    assert tokenizer.decode(found.ids) == "DH IY R EH D K AE T S"
    assert find(tokens, arpa, hear(tokens, "")[:, :0]) == Sentence([], [])


def test_words_that_the_lexicon_lacks_are_said_by_rule(tokens: Path, tmp_path: Path) -> None:
    write_arpa(tmp_path / "more.arpa", train_ngrams([["THE", "TREAD"], ["A", "TREAD"]], NgramSettings(2)))
    phones = load_tokenizer(tokens).decode(load_tokenizer(tokens).encode("TREAD"))
    assert text(tokens, tmp_path / "more.arpa", f"DH AH | {phones}") == "THE TREAD"


def test_a_lexicon_for_decoding_says_how_else_words_are_said(tokens: Path, arpa: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("THE\nA\nCAT\nSAT\n")
    (tmp_path / "said").write_text("THE\tDH AH0\nCAT\tT AE1 K\nSAT S AE1 T\nA AH0\nA K\n")
    for lexicon, phones in (("words", "K AE T"), ("said", "T AE K")):
        heard = hear(tokens, "AH | T AE K | S AE T")
        found = find(tokens, arpa, heard, DecodeConfig(lexicon=str(tmp_path / lexicon), tokens=40))
        assert found.text(load_tokenizer(tokens)) == "A CAT SAT"
        assert load_tokenizer(tokens).decode((found.words or [])[1].ids) == phones
    assert text(tokens, arpa, "AH | K AE T", config=DecodeConfig(lexicon=str(tmp_path / "said"))) == "A CAT"
    assert lexicon_beside(arpa) == tmp_path / "words.lexicon.gz"
    lexicon_beside(arpa).write_bytes(gzip.compress((tmp_path / "said").read_bytes()))
    assert load_tokenizer(tokens).decode(find(tokens, arpa, hear(tokens, "K | K AE T")).ids) == "K K AE T"
    (tmp_path / "said").write_text("THE DH OX\n")
    with pytest.raises(UserError, match="THE has OX, none of the phones of the model"):
        fuse(DecodeConfig(lexicon=str(tmp_path / "said")), arpa, tokens)


def test_of_many_words_said_alike_the_likeliest_are_kept_and_the_others_are_told(tmp_path: Path) -> None:
    pytest.importorskip("flashlight.lib.text")
    words = [f"W{letter}" for letter in "ABCDEFGHIJ"]
    tokens = make_tokens(tmp_path, False, LEXICON + "".join(f"{word} B AY1\n" for word in words))
    # The later a word, the more often it stands there.
    texts = [[word] for count, word in enumerate(words, 1) for _ in range(count)]
    write_arpa(tmp_path / "many.arpa", train_ngrams([*texts, ["42"], ["THE", "WD"]], NgramSettings(2)))
    told: list[str] = []
    search = fuse(DecodeConfig(), tmp_path / "many.arpa", tokens, tell=told.append).weighted(Weights(1.0, 0.0))
    where = tmp_path / "many.arpa"
    assert told[0] == f"{where}: 1 of 12 words are left out, as the model's tokens cannot spell them: 42"
    assert told[1].startswith(f"{where}: 4 of 12 words are left out, as of words with the same tokens only the 6 ")
    assert told[1].endswith("kept: WA, WB, WC, WD")
    heard = hear(tokens, "B AY")
    assert search(heard, torch.tensor([heard.shape[1]]))[0].text(load_tokenizer(tokens)) == "WJ"


def test_hotwords_are_words_and_join_the_lexicon(tokens: Path, arpa: Path) -> None:
    heard = "DH AH | R EH D | R AE T"
    phones = load_tokenizer(tokens).decode(load_tokenizer(tokens).encode("RAT"))
    heard = f"DH AH | R EH D | {phones}"
    assert "RAT" not in text(tokens, arpa, heard)
    for weight in (1.0, 0.0):
        config = DecodeConfig(hotwords=("Rat",), hotword_score=30.0)
        found = find(tokens, arpa, hear(tokens, heard), config, weight).text(load_tokenizer(tokens))
        assert found.split()[-1] == "RAT"
    with pytest.raises(UserError, match="a model of phones writes words with --decoder lm only"):
        search_prefixes(DecodeConfig(hotwords=("Rat",)), tokens)


def test_a_beam_without_words_writes_phones(tokens: Path) -> None:
    heard = hear(tokens, "DH IY | R EH D")
    found = search_prefixes(DecodeConfig(beam=4), tokens)(heard, torch.tensor([heard.shape[1]]))[0]
    assert found.words is None
    assert found.text(load_tokenizer(tokens)) == "DH IY R EH D"


def test_for_newer_pythons_it_is_said_that_phones_need_flashlight(
    tokens: Path, arpa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctc_beam_decoder")
    monkeypatch.setitem(sys.modules, "asr.decode.flashlight", None)
    with pytest.raises(UserError, match="words from phones: a search, which needs flashlight-text"):
        fuse(DecodeConfig(), arpa, tokens)


def test_frames_that_repeat_a_token_become_one_that_writes_it_once() -> None:
    torch.manual_seed(3)
    log_probs = (torch.randn(3, 4) + torch.tensor([0.0, 0.0, 5.0, 0.0])).log_softmax(-1)
    merged = merge_repeats(log_probs)
    assert merged.shape == (1, 4)
    for token in range(4):
        target = torch.tensor([[token]]) if token else torch.zeros(1, 0, dtype=torch.long)
        loss = torch.nn.functional.ctc_loss(
            log_probs[:, None], target, torch.tensor([3]), torch.tensor([target.shape[1]]), reduction="sum"
        )
        assert merged[0, token].item() == pytest.approx(-loss.item(), abs=1e-5)
    unsure = torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.1, 0.8]]).log()
    assert torch.equal(merge_repeats(unsure), unsure)
    blanks = torch.tensor([[0.8, 0.2], [0.7, 0.3], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8]]).log()
    assert torch.equal(merge_repeats(blanks), blanks)
    assert merge_repeats(blanks[:0]).shape == (0, 2)
