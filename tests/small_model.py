"""A run's folder with a random model, and noise to recognise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from asr.checkpoint.checkpoint import Checkpoint, save_checkpoint
from asr.config import Config, ModelConfig, TokenConfig
from asr.config_file import dump_config
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
from asr.model.encoder import Encoder

SMALL = ModelConfig(layers=2, width=32, heads=2, feedforward=48)

CHARACTERS = TokenConfig()


def make_run(folder: Path, model: ModelConfig = SMALL, tokens: TokenConfig = CHARACTERS, steps: int = 1) -> Path:
    """A run's folder with checkpoints of random weights at steps 1 … and dev WERs 0.5, 0.25, …"""
    texts = ["SHE SELLS SEA SHELLS", "BY THE SEA SHORE", "THE SHELLS SHE SELLS", "ARE SEA SHELLS SURELY"]
    write_manifest(folder / "labeled.jsonl", [Utterance(str(i), "x", 1.0, 0.0, "s", t) for i, t in enumerate(texts)])
    build_tokens(tokens, folder / "labeled.jsonl", folder / "tokens")
    config = dataclasses.replace(Config(), model=model, tokens=tokens)
    (folder / "config.yaml").write_text(dump_config(config))
    size = load_tokenizer(folder / "tokens").size
    for step in range(1, steps + 1):
        tensors = {}
        for seed, name in enumerate(("student", "teacher")):
            torch.manual_seed(10 * step + seed)
            encoder = Encoder(config.features.mels, size, model)
            # Random outputs that are all but equal would have no words.
            encoder.head.weight.data *= 8
            tensors[name] = dict(encoder.state_dict())
        save_checkpoint(folder / "checkpoints", Checkpoint(step, tensors, {"dev_wer": 0.5**step}))
    return folder


def noise(seconds: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Noise whose loudness changes, and with it the features."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 16_000)
    turns = np.arange(0, count + 2000, 2000)
    white = rng.standard_normal(count) * np.exp(np.interp(np.arange(count), turns, rng.uniform(3, 9, len(turns))))
    return white.clip(-32000, 32000).astype(np.int16)
