"""The recipe's language model: where it lies, and how it gets there: downloaded, or made of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from asr.config import Config
from asr.data.phones import PhoneTokenizer
from asr.data.tokens import load_tokenizer, read_normaliser
from asr.decode.arpa import DECIMALS, read_words, write_arpa
from asr.decode.corpus import read_sentences, tell_unspelled
from asr.decode.language_model import NO_LEXICON, ORDERS, check_decoding, check_package, lexicon_beside, token_texts
from asr.decode.ngram import NgramSettings, train_ngrams
from asr.decode.ngram_counts import UNKNOWN
from asr.decode.perplexity import measure_perplexity
from asr.errors import UserError
from asr.lock import take_turns
from asr.pseudo.words import check_word_search
from asr.recipe.experiment import Experiment, Paths, digest
from asr.text.normaliser import find_normaliser
from asr.whole_file import write_whole
from data_prep.librispeech_lm import LANGUAGE_MODELS, download_language_model

Tell = Callable[[str], None]


def lm_path(experiment: Experiment, paths: Paths) -> Path:
    """The language model that the settings name, or else the one that is made from labeled text."""
    decode = experiment.config.decode
    if decode.lm in LANGUAGE_MODELS:
        return _download_folder(experiment) / LANGUAGE_MODELS[decode.lm]
    if decode.lm:
        return Path(decode.lm).expanduser().absolute()
    units = "tokens" if decode.lexicon == NO_LEXICON else "words"
    return own_lm_path(experiment, paths, units, ORDERS[units])


def _download_folder(experiment: Experiment) -> Path:
    return experiment.data_dir / "librispeech-lm"


def own_lm_path(experiment: Experiment, paths: Paths, units: str, order: int) -> Path:
    """Where a model of the labeled text lies."""
    return experiment.home / "lm" / digest([order, paths.manifests.name, paths.tokens.name]) / f"{units}.arpa"


def is_the_users(lm: str) -> bool:
    """Whether a setting `decode.lm` names a file, and nothing that the recipe downloads or makes."""
    return bool(lm) and lm not in LANGUAGE_MODELS


def check_lm(experiment: Experiment, tell: Tell) -> None:
    """Make sure, before hours of training, that decoding with a language model will have what it needs.

    Models that the recipe downloads are downloaded.

    Raises:
        UserError: a package or a file is missing, or cannot be downloaded.
    """
    decode = experiment.config.decode
    check_package()
    if decode.lm in LANGUAGE_MODELS:
        folder = _download_folder(experiment)
        download_language_model(decode.lm, folder, experiment.config.corpus.base_url, tell)
        decode = replace(decode, lm=str(folder / LANGUAGE_MODELS[decode.lm]))
    check_decoding(decode)


def make_lm(
    names: Sequence[str],
    tokens: Path,
    units: str,
    settings: NgramSettings,
    out: Path,
    known: Sequence[str] = (),
    held_out: Sequence[str] = (),
    decimals: int = DECIMALS,
) -> Iterator[str]:
    """Make an n-gram model of texts; what to tell the user comes line by line.

    Args:
        names: the texts, as `asr.decode.corpus.read_sentences` takes them.
        tokens: the recognizer's inventory.
        units: words, or tokens for decoding without a lexicon.
        settings: of the model; `named_words` are those of the texts `known`.
        out: the ARPA file.
        known: texts whose words the model knows however rare they are, such as a list of words.
        held_out: texts to measure the model's perplexity on, each by itself.
        decimals: of the logarithms in the file.

    Raises:
        UserError: a text cannot be read, or there is none.
    """
    tokenizer, normaliser = load_tokenizer(tokens), read_normaliser(tokens)
    unspelled: Counter[str] = Counter()
    unspelled_known: Counter[str] = Counter()

    def read(texts: Sequence[str], unspelled: Counter[str]) -> Iterable[list[str]]:
        unknown = "" if units == "tokens" else UNKNOWN
        found = read_sentences(texts, tokenizer, find_normaliser(normaliser), unknown, unspelled)
        return token_texts(found, tokenizer) if units == "tokens" else map(str.split, found)

    # Read first: a name that is wrong is found before the long part.
    to_measure = {name: list(read([name], Counter())) for name in held_out}
    for name, sentences in to_measure.items():
        if not any(sentences):
            raise UserError(f"{name}: has no words to measure by")
    named = frozenset(word for sentence in read(known, unspelled_known) for word in sentence)
    model = train_ngrams(read(names, unspelled), replace(settings, named_words=named))
    # Where the model is, its lexicon is, too.
    aside, lexicon = out.with_name(f".{out.name}"), lexicon_beside(out)
    write_arpa(aside, model, decimals)
    said: list[str] = []
    if isinstance(tokenizer, PhoneTokenizer) and units == "words":
        words = read_words(aside)
        write_whole(lexicon, tokenizer.list_pronunciations(words))
        said = [f"{lexicon}: how its {len(words):,} words are said"]
    aside.replace(out)
    sizes = ", ".join(f"{len(table.word):,} {n}-grams" for n, table in enumerate(model.tables, 1))
    yield f"{out}: {sizes} of {units}, {out.stat().st_size / 1e6:.1f} MB; normaliser {normaliser}"
    if unspelled:
        yield tell_unspelled(unspelled)
    if unspelled_known:
        yield f"vocabulary: {tell_unspelled(unspelled_known)}"
    yield from said
    for name, sentences in to_measure.items():
        found = measure_perplexity(model, sentences)
        share = found.unknown / max(found.words, 1)
        yield (
            f"{name}: perplexity {found.value:.1f} over {found.predicted:,} {units} and ends of sentences; "
            f"left out are {found.unknown:,} of {found.words:,} {units} that the model does not know ({share:.2%})"
        )


def _ensure_own(path: Path, paths: Paths, tell: Tell) -> Path:
    """Several processes, of a study or on several machines, may ask for it at once."""
    with take_turns(path.parent / ".lock", tell):
        if not path.is_file():
            labeled = paths.manifests / "labeled.jsonl"
            tell(f"language model: made from {labeled}")
            for line in make_lm([str(labeled)], paths.tokens, path.stem, NgramSettings(ORDERS[path.stem]), path):
                tell(line)
    return path


def ensure_lm(experiment: Experiment, paths: Paths, tell: Tell) -> Path:
    """The language model, made now where it is the recipe's own and not there yet."""
    path = lm_path(experiment, paths)
    return path if experiment.config.decode.lm else _ensure_own(path, paths, tell)


def with_labels_lm(experiment: Experiment, paths: Paths, tell: Tell) -> Config:
    """The settings, and in them the language model that pseudo-labels are searched with, made now where it is the
    recipe's own and not there yet. Raises UserError where a package for it, or the user's own, is missing."""
    config = experiment.config
    if not config.pseudo.searches_words:
        return config
    check_word_search(config.pseudo)
    own = own_lm_path(experiment, paths, "words", ORDERS["words"])
    path = config.pseudo.lm or str(_ensure_own(own, paths, tell))
    return replace(config, pseudo=replace(config.pseudo, lm=path))
