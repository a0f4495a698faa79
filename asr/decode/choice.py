"""Which search turns log-probabilities into sentences, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.config import DecodeConfig
from asr.data.phones import PhoneTokenizer
from asr.data.tokens import Tokenizer, load_tokenizer, read_normaliser
from asr.decode.beam import BeamSearch
from asr.decode.hotwords import Hotwords
from asr.decode.language_model import (
    NO_LEXICON,
    TO_INSTALL,
    LanguageModel,
    lexicon_beside,
    open_language_model,
)
from asr.decode.search import Search, WeightedSearch, search_greedily
from asr.errors import UserError
from asr.text.normaliser import find_normaliser

Tell = Callable[[str], object]


@dataclass(frozen=True)
class NamedSearch:
    name: str
    """As people read it, with its settings."""
    folder: str
    """Below a run's `evaluation`."""
    run: Search
    by_lexicon: bool = False
    """Whether it finds the words of a lexicon, and so words even where tokens are phones."""


GREEDY = NamedSearch("greedy", "", search_greedily)


def _clean_hotwords(phrases: Sequence[str], tokenizer: Tokenizer, tokens: Path) -> tuple[str, ...]:
    """Phrases as the recognizer's own texts were written. Raises UserError where one could never be written."""
    normalise = find_normaliser(read_normaliser(tokens))
    clean = {phrase: normalise(phrase).split() for phrase in phrases}
    for phrase, words in clean.items():
        if not words:
            raise UserError(f"hotword {phrase!r}: is empty")
        if any(tokenizer.write(word) is None for word in words):
            raise UserError(f"hotword {phrase!r}: has characters that the model has no token for; spell it out")
    return tuple(" ".join(words) for words in clean.values())


def fuse(
    config: DecodeConfig,
    path: Path,
    tokens: Path,
    lexicon_setting: str = "decode.lexicon",
    tell: Tell = lambda _: None,
) -> WeightedSearch:
    """A search with a language model.

    Args:
        config: the settings.
        path: the language model.
        tokens: the model's token inventory.
        lexicon_setting: what errors call the lexicon's setting.
        tell: gets a line about words that can never be found.

    Raises:
        UserError: the model, its lexicon or a package is missing, or they do not belong together.
    """
    tokenizer = load_tokenizer(tokens)
    hotwords = _clean_hotwords(config.hotwords, tokenizer, tokens)
    model = open_language_model(path, config.lexicon, tokenizer.symbols, lexicon_setting)
    if isinstance(tokenizer, PhoneTokenizer):
        lexicon = Path(config.lexicon) if config.lexicon else lexicon_beside(path)
        if config.lexicon != NO_LEXICON and (config.lexicon or lexicon.is_file()):
            tokenizer.learn(lexicon)
        if hotwords and model.words is None:
            raise UserError(f"hotword {hotwords[0]!r}: without a lexicon the model writes phones, and no words")
    try:
        from asr.decode.flashlight import FlashlightSearch
    except ImportError:
        return _without_flashlight(config, model, tokenizer, hotwords)
    search = FlashlightSearch(model, tokenizer, config.width, config.tokens, hotwords, config.hotword_score)
    for note in search.notes:
        tell(note)
    return search


def _without_flashlight(
    config: DecodeConfig, model: LanguageModel, tokenizer: Tokenizer, hotwords: Sequence[str]
) -> WeightedSearch:
    try:
        from asr.decode.open_vocabulary import OpenVocabularySearch
    except (ImportError, OSError):
        raise UserError(TO_INSTALL) from None
    return OpenVocabularySearch(model, tokenizer, config.width, hotwords, config.hotword_score)


def search_prefixes(config: DecodeConfig, tokens: Path) -> BeamSearch:
    """A beam search without a language model. Raises UserError where a hotword cannot be written."""
    tokenizer = load_tokenizer(tokens)
    phrases = _clean_hotwords(config.hotwords, tokenizer, tokens)
    if phrases and not tokenizer.writes_words:
        raise UserError(f"hotword {phrases[0]!r}: a model of phones writes words with --decoder lm only")
    hotwords = Hotwords(phrases, config.hotword_score) if phrases else None
    return BeamSearch(config.width, config.tokens, tokenizer.symbols, hotwords)
