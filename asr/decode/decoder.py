"""Greedy decoding of whole subsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import nn

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.batching import Grid, MicroBatch
from asr.data.features import LogMel, pad_waveforms
from asr.data.manifest import Manifest
from asr.data.tokens import Tokenizer
from asr.decode.greedy import pack_best, unpack_best


def plan_decoding(manifest: Manifest, config: Config) -> list[MicroBatch]:
    """Batches of like lengths, longest first, without randomness."""
    batch = config.batch
    grid = Grid(
        batch.max_device_seconds,
        batch.max_device_seconds,
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


class Decoder:
    """Greedy texts of whole subsets, by any number of models in one pass over the audio."""

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
    def texts(
        self,
        models: Mapping[str, nn.Module],
        manifest: Manifest,
        reader: AudioReader,
        part: tuple[int, int] = (0, 1),
    ) -> dict[str, dict[int, str]]:
        """Texts by model and row.

        Args:
            models: encoders; each is put into eval mode.
            manifest: what is decoded.
            reader: reads the audio.
            part: this rank and the number of ranks; every rank decodes some of the batches.
        """
        batches = plan_decoding(manifest, self._config)[part[0] :: part[1]]
        found: dict[str, dict[int, str]] = {name: {} for name in models}
        audio = reader.ahead(((manifest, b.rows) for b in batches), depth=2)
        for batch, samples in zip(batches, audio, strict=True):
            waveforms, lengths = pad_waveforms(samples, self._features.samples(batch.frames))
            features, frames = self._features(waveforms.to(self._device), lengths.to(self._device))
            for name, model in models.items():
                with self._autocast():
                    log_probs, real = model(features, frames)
                labels = unpack_best(pack_best(log_probs, real))
                for row, label in zip(batch.rows.tolist(), labels, strict=True):
                    found[name][row] = self._tokenizer.decode(label.ids)
        return found


def references(manifest: Manifest) -> list[str]:
    return [u.text or "" for u in manifest]


def in_order(texts: Sequence[Mapping[int, str]], rows: int) -> list[str]:
    """Texts of all ranks by row, as a list."""
    merged: dict[int, str] = {}
    for part in texts:
        merged.update(part)
    return [merged[row] for row in range(rows)]
