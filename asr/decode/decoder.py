"""Decoding of whole subsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.batching import Grid, MicroBatch
from asr.data.features import LogMel, pad_waveforms
from asr.data.manifest import Manifest
from asr.data.tokens import Tokenizer
from asr.decode.search import Search, search_greedily


def plan_decoding(manifest: Manifest, config: Config) -> list[MicroBatch]:
    """Batches of like lengths, longest first, without randomness."""
    batch = config.batch
    grid = Grid(
        batch.device_seconds,
        batch.device_seconds,
        config.features.shift_ms / 1000,
        batch.frame_multiple,
    )
    order = np.argsort(-manifest.durations, kind="stable")
    frames = grid.frames(manifest.durations[order])
    batches: list[MicroBatch] = []
    start = 0
    while start < len(order):
        stop = start + grid.utterances(int(frames[start]))
        batches.append(MicroBatch(order[start:stop], int(frames[start])))
        start = stop
    return batches


@dataclass
class Decoded:
    """What was heard, by model, search and row; and the seconds that went into models and each search."""

    texts: dict[str, dict[str, dict[int, str]]]
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, name: str, begun: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


class Decoder:
    """Texts of whole subsets, by any number of models and searches in one pass over the audio."""

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        features: LogMel,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._config, self._tokenizer, self._features = config, tokenizer, features
        self._device, self._autocast = device, autocast

    @torch.no_grad()
    def log_probs(
        self,
        models: Mapping[str, nn.Module],
        manifest: Manifest,
        reader: AudioReader,
        part: tuple[int, int] = (0, 1),
    ) -> Iterator[tuple[MicroBatch, dict[str, tuple[Tensor, Tensor]]]]:
        """Batches with each model's log-probabilities `(batch, frames, tokens)` and real frames `(batch,)`.

        Args:
            models: encoders; each is in eval mode.
            manifest: what is decoded.
            reader: reads the audio.
            part: this rank and the number of ranks; every rank decodes some of the batches.
        """
        batches = plan_decoding(manifest, self._config)[part[0] :: part[1]]
        audio = reader.ahead(((manifest, b.rows) for b in batches), depth=2)
        for batch, samples in zip(batches, audio, strict=True):
            waveforms, lengths = pad_waveforms(samples, self._features.samples(batch.frames))
            features, frames = self._features(waveforms.to(self._device), lengths.to(self._device))
            heard: dict[str, tuple[Tensor, Tensor]] = {}
            for name, model in models.items():
                with self._autocast():
                    heard[name] = model(features, frames)[:2]
            yield batch, heard

    def decode(
        self,
        models: Mapping[str, nn.Module],
        searches: Mapping[str, Search],
        manifest: Manifest,
        reader: AudioReader,
        part: tuple[int, int] = (0, 1),
        progress: Callable[[float], object] = lambda _: None,
    ) -> Decoded:
        """What all searches find in what all models hear. `progress` gets the seconds of audio that are done."""
        found = Decoded({name: {search: {} for search in searches} for name in models})
        begun = time.perf_counter()
        for batch, heard in self.log_probs(models, manifest, reader, part):
            if self._device.type == "cuda":
                # Or the first search would be charged with what the models take.
                torch.cuda.synchronize(self._device)
            found.spend("models", begun)
            for name, (log_probs, real) in heard.items():
                for search, run in searches.items():
                    begun = time.perf_counter()
                    sentences = run(log_probs, real)
                    found.spend(search, begun)
                    for row, sentence in zip(batch.rows.tolist(), sentences, strict=True):
                        found.texts[name][search][row] = sentence.text(self._tokenizer)
            progress(float(manifest.durations[batch.rows].sum()))
            begun = time.perf_counter()
        return found

    def texts(
        self,
        models: Mapping[str, nn.Module],
        manifest: Manifest,
        reader: AudioReader,
        part: tuple[int, int] = (0, 1),
    ) -> dict[str, dict[int, str]]:
        """Greedy texts by model and row."""
        found = self.decode(models, {"greedy": search_greedily}, manifest, reader, part)
        return {name: by_search["greedy"] for name, by_search in found.texts.items()}


def references(manifest: Manifest) -> list[str]:
    return [u.text or "" for u in manifest]


def in_order(texts: Sequence[Mapping[int, str]], rows: int) -> list[str]:
    """Texts of all ranks by row, as a list."""
    merged: dict[int, str] = {}
    for part in texts:
        merged.update(part)
    return [merged[row] for row in range(rows)]
