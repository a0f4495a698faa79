"""Where an experiment's files lie: folders named by a digest of all that went into them.

    data_dir/<corpus>/                        audio as it came, or generated
    exp_dir/<name>/audio/                     what was not 16 kHz FLAC or WAV, decoded once
    exp_dir/<name>/manifests/<digest>/        rows of audio and text that are trained on
    exp_dir/<name>/dev/<digest>/              rows of the dev subsets, which no name depends on
    exp_dir/<name>/tests/<digest>/            rows of the test subsets, likewise
    exp_dir/<name>/tokens/<digest>/
    exp_dir/<name>/lm/<digest>/               language model of the labeled text, where one is needed
    exp_dir/<name>/runs/k<κ>-s<seed>-<digest>/

A digest covers the scientific settings and the folder that the stage reads, so nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asr.config import Config
from asr.config_file import to_dict
from asr.data.pronunciations import fingerprint_lexicon
from asr.recipe.sources import fingerprint_sources
from asr.science import APART, scientific

Role = Literal["dev", "test"]
ROLES: tuple[Role, ...] = ("dev", "test")
"""Of subsets that are scored."""


def digest(content: Any) -> str:
    """Eight hexadecimal digits that stand for any JSON value."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Paths:
    """What the stages read and write, once the corpus is on disk."""

    manifests: Path
    dev: Path
    tests: Path
    tokens: Path
    run: Path
    pretrained: Path | None = None
    """The run that this one starts from, where the recipe makes it."""


@dataclass(frozen=True)
class Experiment:
    config: Config
    data_dir: Path
    exp_dir: Path

    @property
    def root(self) -> Path:
        """The corpus: the folder that holds its subsets."""
        corpus = self.config.corpus
        if corpus.root:
            return Path(corpus.root).expanduser()
        return self.data_dir / {"librispeech": "LibriSpeech", "mini": "mini"}.get(corpus.source, self.config.name)

    @property
    def cache(self) -> Path:
        """Not under `data_dir`, which may be shared and read-only."""
        return self.home / "audio"

    @property
    def home(self) -> Path:
        return self.exp_dir / self.config.name

    def manifests(self, fingerprint: str) -> Path:
        """`fingerprint` stands for the corpus's settings and files."""
        return self.home / "manifests" / digest(fingerprint)

    def scored(self, role: Role, fingerprint: str) -> Path:
        """Apart from the manifests, whose name goes into that of the run: a subset more to score is no other run."""
        return self.home / {"dev": "dev", "test": "tests"}[role] / digest(fingerprint)

    def tokens(self, manifests: Path) -> Path:
        """A lexicon counts by its content."""
        tokens = self.config.tokens
        lexicon = [fingerprint_lexicon(tokens.lexicon)] if tokens.kind == "phones" else []
        return self.home / "tokens" / digest([to_dict(self.config)["tokens"], manifests.name, *lexicon])

    def run(self, tokens: Path, pretrained: Path | None = None) -> Path:
        """Scientific settings count, but for those of earlier stages, which `tokens` and `pretrained` stand for, and
        those in the name; a model to start from and a folder of labels also count by their content."""
        settings = scientific(to_dict(self.config))
        for known in (*APART, "seed", "batch_scale", "pretrain"):
            del settings[known]
        before = [] if pretrained is None else [pretrained.name]
        made_of = [settings, tokens.name, *before, *fingerprint_sources(self.config)]
        return self.runs / f"{self.run_begins}-{digest(made_of)}"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def run_begins(self) -> str:
        """How the name of the run's folder begins, which is known before the corpus is there."""
        # 15 digits: 1/3 and 0.333333 are two runs.
        return f"k{self.config.batch_scale:.15g}-s{self.config.seed}"
