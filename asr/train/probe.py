"""What a representation is worth while it is learnt: in how many frames a linear rule on it takes the wrong token.

The encoder is left as it is. A linear discriminant is solved for on what the head of a recognizer would read, in some
minutes of the labeled audio, and classifies the frames of some minutes of each dev subset. What is said in a frame is
found once, from the features by themselves (`asr.train.flat_start`), so that all checkpoints and models are measured by
the same. Frames of silence do not count. A layer trained by CTC was no measure: from one random encoder to another its
errors moved by nine points.

The errors say nothing of what fine-tuning will reach, but they fall as the representation gets better, and cost little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.data.audio import AudioReader
from asr.data.manifest import Manifest
from asr.data.tokens import BLANK, Tokenizer
from asr.decode.decoder import Decoder
from asr.model.encoder import Encoder, Heard
from asr.score.rates import RateName
from asr.train.dev import Errors
from asr.train.discriminant import Discriminant
from asr.train.flat_start import Alignment

TRAIN_SECONDS, DEV_SECONDS = 1200.0, 300.0
"""Audio that the rule is found on, and of each dev subset that it is tried on, at most."""
TRAIN = ""
"""The training audio's name among the subsets'."""
AROUND, APART = 6, 3
"""Feature frames to either side, and how far apart those of them are that alignments are made of."""


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


class _Around(nn.Module):
    """The features around each encoder frame, `(batch, encoder frames, width)`."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.frontend = encoder.frontend

    def forward(self, features: Tensor, frames: Tensor) -> Heard:
        padded = F.pad(features, (0, 0, AROUND, AROUND))
        windows = padded.unfold(1, 2 * AROUND + 1, self.frontend.stride)[..., ::APART]
        return Heard(windows.flatten(2), self.frontend.frames(frames))


@dataclass(frozen=True)
class _Part:
    """Some audio, and the token of each of its encoder frames."""

    manifest: Manifest
    said: Tensor


class Probe:
    """Every rank does all of it, with one result: it takes seconds, and a sharded model needs all ranks."""

    rate: RateName = "fer"

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
            tokenizer: of what is said in a frame.
            decoder: runs the models over audio.
            reader: reads it.
        """
        self._train = some(train, TRAIN_SECONDS)
        self._dev = {name: some(manifest, DEV_SECONDS) for name, manifest in dev.items()}
        self._tokenizer, self._decoder, self._reader = tokenizer, decoder, reader
        # Where words have a token between them, it takes up the silence there.
        self._silence = BLANK if tokenizer.boundary is None else tokenizer.boundary
        self._parts: dict[str, _Part] | None = None

    def errors(self, models: Mapping[str, Encoder]) -> Errors:
        found: Errors = {name: {} for name in models}
        if self._parts is None:
            self._parts = self._align(next(iter(models.values())))
        encoders = {name: _Top(model) for name, model in models.items()}
        rules: dict[str, Discriminant] = {}
        for subset, part in self._parts.items():
            for name, tops in self._hear(encoders, part.manifest).items():
                if subset == TRAIN:
                    rules[name] = Discriminant(torch.cat(tops), part.said, self._tokenizer.size)
                else:
                    wrong = (rules[name].classify(torch.cat(tops)) != part.said)[part.said != self._silence]
                    found[name][subset] = {self.rate: float(wrong.double().mean())}
        return found

    def _align(self, encoder: Encoder) -> dict[str, _Part]:
        """What is said in each frame of the training audio and of each dev subset, by name.

        Utterances with more tokens than frames, or none, are left out, and subsets of nothing else.
        """
        parts: dict[str, _Part] = {}
        alignment: Alignment | None = None
        for name, manifest in {TRAIN: self._train, **self._dev}.items():
            heard = self._hear({"": _Around(encoder)}, manifest)[""] if len(manifest) else []
            tokens = [self._tokenizer.encode(u.text or "") for u in manifest]
            rows = [row for row, (one, ids) in enumerate(zip(heard, tokens, strict=True)) if 0 < len(ids) <= len(one)]
            fitting = [heard[row] for row in rows], [tokens[row] for row in rows]
            if rows:
                paths = [] if alignment is None else alignment.align(*fitting)
                if alignment is None:
                    alignment = Alignment(*fitting, self._tokenizer.size, self._silence)
                    paths = alignment.paths
                parts[name] = _Part(Manifest(manifest[row] for row in rows), torch.from_numpy(np.concatenate(paths)))
            elif alignment is None:
                # Nothing to measure by.
                return {}
        return parts

    def _hear(self, models: Mapping[str, nn.Module], manifest: Manifest) -> dict[str, list[Tensor]]:
        """Of each model, in the order of the utterances, `(frames, width)`, on the host."""
        tops: dict[str, dict[int, Tensor]] = {name: {} for name in models}
        for batch, heard in self._decoder.log_probs(models, manifest, self._reader):
            for name, (top, real) in heard.items():
                for row, one, count in zip(batch.rows.tolist(), top.cpu(), real.tolist(), strict=True):
                    tops[name][row] = one[:count].clone()
        return {name: [by_row[row] for row in range(len(manifest))] for name, by_row in tops.items()}
