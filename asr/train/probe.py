"""What a representation is worth while it is learnt: errors of a linear CTC layer on it, trained in seconds.

The encoder is left as it is. The layer reads what the head of a recognizer would read, learns from some minutes of the
labeled audio, and writes some minutes of each dev subset. Its errors say nothing of what fine-tuning will reach, but
they fall as the representation gets better, and cost little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.data.audio import AudioReader
from asr.data.manifest import Manifest
from asr.data.tokens import Tokenizer
from asr.decode.decoder import Decoder
from asr.decode.measure import Measure
from asr.decode.search import search_greedily
from asr.model.encoder import Encoder, Heard
from asr.objective.ctc import ctc_loss
from asr.score.rates import RateName
from asr.train.dev import Errors

TRAIN_SECONDS, DEV_SECONDS = 1800.0, 300.0
"""Audio that the layer learns from, and of each dev subset that it writes, at most."""
PASSES, BATCH, LR = 8, 4, 0.02
"""Over the training audio, in batches of so many utterances, with Adam and a learning rate that falls to 0."""


def some(manifest: Manifest, seconds: float) -> Manifest:
    """About so many seconds of it: always the same utterances, drawn at random."""
    rows: list[int] = []
    for row in np.random.default_rng(0).permutation(len(manifest)).tolist():
        if seconds > 0:
            rows.append(row)
            seconds -= float(manifest.durations[row])
    return Manifest(manifest[row] for row in sorted(rows))


class _Top(nn.Module):
    """An encoder that gives what its head reads in place of log-probabilities."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, features: Tensor, frames: Tensor) -> Heard:
        heard: Heard = self.encoder(features, frames)
        return Heard(heard.top, heard.lengths)


class Layer(nn.Module):
    """Log-probabilities of tokens from `(batch, frames, width)`, each channel brought to mean 0 and variance 1."""

    def __init__(self, frames: Tensor, tokens: int) -> None:
        """`frames`, `(frames, width)`, are what channels are normalised by."""
        super().__init__()
        self.mean, self.deviation = frames.mean(0), frames.std(0, correction=0) + 1e-3
        self.linear = nn.Linear(frames.shape[1], tokens, device=frames.device)
        for parameter in self.parameters():
            # Nothing is random: the problem has one valley, more or less.
            nn.init.zeros_(parameter)

    def forward(self, top: Tensor) -> Tensor:
        return F.log_softmax(self.linear((top - self.mean) / self.deviation), dim=-1)


@torch.enable_grad()
def fit(tops: Sequence[Tensor], targets: Sequence[Sequence[int]], tokens: int) -> Layer:
    """A layer trained on utterances' `(frames, width)` and token ids."""
    layer = Layer(torch.cat(list(tops)), tokens)
    optimizer = torch.optim.Adam(layer.parameters(), lr=LR)
    order = sorted(range(len(tops)), key=lambda row: len(tops[row]))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    steps, rng = PASSES * len(batches), np.random.default_rng(0)
    for step in range(steps):
        if step % len(batches) == 0:
            turn = rng.permutation(len(batches)).tolist()
        rows = batches[turn[step % len(batches)]]
        log_probs = layer(nn.utils.rnn.pad_sequence([tops[row] for row in rows], batch_first=True))
        lengths = torch.tensor([len(tops[row]) for row in rows])
        loss = ctc_loss(log_probs, lengths, [targets[row] for row in rows])
        optimizer.param_groups[0]["lr"] = LR * (1 - step / steps)
        optimizer.zero_grad()
        torch.autograd.backward(loss / sum(len(targets[row]) for row in rows))
        optimizer.step()
    return layer.requires_grad_(False)


class Probe:
    """Every rank does all of it, with one result: it takes seconds, and a sharded model needs all ranks."""

    def __init__(
        self,
        train: Manifest,
        dev: Mapping[str, Manifest],
        tokenizer: Tokenizer,
        decoder: Decoder,
        reader: AudioReader,
    ) -> None:
        """
        Args:
            train: labeled utterances that CTC can align; without any there is nothing to measure by.
            dev: subsets by name.
            tokenizer: of what the layer writes.
            decoder: runs the models over audio.
            reader: reads it.
        """
        self._train = some(train, TRAIN_SECONDS)
        self._targets = [tokenizer.encode(u.text or "") for u in self._train]
        self._dev = {name: some(manifest, DEV_SECONDS) for name, manifest in dev.items()}
        self._tokenizer, self._decoder, self._reader = tokenizer, decoder, reader
        self._measure = Measure(tokenizer)

    @property
    def rate(self) -> RateName:
        """Words of so weak a recognizer are nearly all wrong, its characters are not."""
        return "cer" if self._measure.rate == "wer" else self._measure.rate

    def errors(self, models: Mapping[str, Encoder]) -> Errors:
        found: Errors = {name: {} for name in models}
        if not len(self._train):
            return found
        heard = self._hear(models, self._train)
        layers = {name: fit(heard[name], self._targets, self._tokenizer.size) for name in models}
        for subset, manifest in self._dev.items():
            for name, tops in self._hear(models, manifest).items():
                texts = [self._write(layers[name], top) for top in tops]
                rates = self._measure.rates([u.text or "" for u in manifest], texts)
                found[name][subset] = {self.rate: rates[self.rate]}
        return found

    def _hear(self, models: Mapping[str, Encoder], manifest: Manifest) -> dict[str, list[Tensor]]:
        """Of each model, in the order of the utterances, `(frames, width)`."""
        tops: dict[str, dict[int, Tensor]] = {name: {} for name in models}
        for batch, heard in self._decoder.log_probs({n: _Top(m) for n, m in models.items()}, manifest, self._reader):
            for name, (top, real) in heard.items():
                for row, one, count in zip(batch.rows.tolist(), top, real.tolist(), strict=True):
                    tops[name][row] = one[:count].clone()
        return {name: [by_row[row] for row in range(len(manifest))] for name, by_row in tops.items()}

    def _write(self, layer: Layer, top: Tensor) -> str:
        log_probs = layer(top[None])
        (sentence,) = search_greedily(log_probs, torch.tensor([len(top)], device=top.device))
        return sentence.text(self._tokenizer)
