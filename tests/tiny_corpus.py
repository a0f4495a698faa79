"""A tiny corpus of noise that most tests of training share, and their processes too: so it is no part of conftest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from asr.config import (
    BatchConfig,
    Config,
    CorpusConfig,
    ModelConfig,
    PseudoConfig,
    ScheduleConfig,
    TeacherConfig,
    TokenConfig,
    TrainConfig,
)
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens
from asr.score.transcripts import write_transcripts

WORDS = "ONE TWO THREE FOUR FIVE SIX SEVEN".split()


@dataclass(frozen=True)
class TinyCorpus:
    manifests: Path
    tokens: Path
    config: Config


def _utterances(folder: Path, name: str, count: int, rng: np.random.Generator) -> list[Utterance]:
    utterances: list[Utterance] = []
    for row in range(count):
        samples = rng.integers(-3000, 3000, int(rng.uniform(0.8, 2.4) * 16_000)).astype(np.int16)
        path = folder / f"{name}-{row}.flac"
        soundfile.write(path, samples, 16_000, subtype="PCM_16")
        text = " ".join(rng.choice(WORDS, 2))
        utterances.append(Utterance(f"{name}-{row}", str(path), len(samples) / 16_000, 0.0, name, text))
    return utterances


def write_tiny_corpus(folder: Path) -> TinyCorpus:
    """About 20 s labeled, 35 s unlabeled with references, a dev subset, and settings that train in seconds."""
    rng = np.random.default_rng(0)
    labeled, unlabeled, dev = (
        _utterances(folder, name, count, rng) for name, count in (("a", 12), ("b", 22), ("c", 5))
    )
    manifests = folder / "manifests"
    write_manifest(manifests / "labeled.jsonl", labeled)
    untold = [Utterance(u.id, u.audio_filepath, u.duration, 0.0, u.speaker) for u in unlabeled]
    write_manifest(manifests / "unlabeled.jsonl", untold)
    write_transcripts(manifests / "references" / "unlabeled.trans.txt", {u.id: u.text or "" for u in unlabeled})
    write_manifest(manifests / "dev" / "dev.jsonl", dev)
    build_tokens(TokenConfig(), manifests / "labeled.jsonl", folder / "tokens")
    step = 12.0 / 3600
    config = Config(
        name="tiny",
        corpus=CorpusConfig(source="local", dev=("dev",)),
        model=ModelConfig(layers=2, width=32, heads=2, feedforward=64, dropout=0.1, layerdrop=0.2),
        batch=BatchConfig(base_seconds=12.0, unit_seconds=6.7, frame_multiple=24),
        schedule=ScheduleConfig(total_hours=10 * step, warmup_hours=3 * step),
        teacher=TeacherConfig(momentum=0.9, start="initial"),
        pseudo=PseudoConfig(start_hours=4 * step, unlabeled_share=0.5),
        train=TrainConfig(
            precision="fp32", log_hours=2 * step, evaluate_hours=4 * step, checkpoint_hours=3 * step, loader_threads=1
        ),
    )
    return TinyCorpus(manifests, folder / "tokens", config)
