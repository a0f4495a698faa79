"""How student and teacher are measured while training goes on: by what they write for the dev subsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from asr.data.audio import AudioReader
from asr.data.manifest import Manifest
from asr.decode.decoder import Decoder, in_order, references
from asr.decode.measure import Measure
from asr.model.encoder import Encoder
from asr.score.rates import RateName
from asr.step.ranks import Ranks

Errors = dict[str, dict[str, dict[str, float]]]
"""By model, dev subset and name of the rate."""


class Evaluation(Protocol):
    """Of both models, at some points of training."""

    @property
    def rate(self) -> RateName:
        """By which checkpoints are chosen."""

    def errors(self, models: Mapping[str, Encoder]) -> Errors:
        """The same on all ranks, which all take part; by model an empty dict where there is nothing to measure by."""


class DevDecoding:
    """Greedy texts against references; ranks share the audio out."""

    def __init__(
        self,
        dev: Mapping[str, Manifest],
        decoder: Decoder,
        measure: Measure,
        reader: AudioReader,
        ranks: Ranks,
        sharded: bool,
    ) -> None:
        """`sharded`: the models are. A pass through one is one that all ranks take part in: each decodes everything."""
        self._dev, self._decoder, self._measure = dev, decoder, measure
        self._reader, self._ranks = reader, ranks
        self._share = (0, 1) if sharded else (ranks.rank, ranks.world_size)

    @property
    def rate(self) -> RateName:
        return self._measure.rate

    def errors(self, models: Mapping[str, Encoder]) -> Errors:
        found: Errors = {name: {} for name in models}
        for subset, manifest in self._dev.items():
            parts = self._ranks.gather(self._decoder.texts(models, manifest, self._reader, self._share))
            for name in models:
                texts = in_order([part[name] for part in parts], len(manifest))
                found[name][subset] = self._measure.rates(references(manifest), texts)
        return found
