"""How much memory a device needs, found without a device: the model is run on tensors that have a shape only."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from asr.config import Config
from asr.model.encoder import Encoder, Regularizer, count_parameters
from asr.model.headed import Headed
from asr.objective.choice import make_objective
from asr.scaling.plan import Plan
from asr.schedule import values_of
from asr.step.gain import COPIES_OF_METER
from asr.step.optimizer import MOMENTS

FLOAT = 4
CHARACTERS = 29


@dataclass(frozen=True)
class MemoryEstimate:
    """In bytes. state: student, gradients, optimizer, teacher, what AdaScale keeps. activations: kept for the largest
    backward pass, in fp32; bf16 autocast keeps little more than half of it."""

    parameters: int
    state: int
    activations: int


def largest_shape(plan: Plan) -> tuple[int, int]:
    """Utterances and feature frames of the largest micro-batch that a device can be given."""
    config = plan.config
    # The first and the last cut have the smallest and largest micro-batches that there are.
    cuts = [plan.at(hours) for hours, _ in plan.settled]
    cap = config.batch.device_seconds
    seconds = min(max(cut.whole.seconds for cut in cuts), cap)
    # One utterance can be longer than a micro-batch is meant to be.
    longest = min(max(config.corpus.max_seconds, 1.0), cap)
    utterances = math.ceil(seconds / longest)
    return utterances, math.ceil(min(longest, cap / utterances) * 1000 / config.features.shift_ms)


def estimate_memory(plan: Plan) -> MemoryEstimate:
    """Of one device; with several each holds as much."""
    config: Config = plan.config
    objective = make_objective(config)
    tokens = CHARACTERS if config.tokens.kind == "char" else config.tokens.size + 1
    tokens = tokens if objective.needs_text else 0
    utterances, frames = largest_shape(plan)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with FakeTensorMode(), torch.device("cuda"):
        # CAPE draws its positions on the host; rotary positions take about as much.
        encoder = Encoder(config.features.mels, tokens, dataclasses.replace(config.model, positions="rotary"))
        model = Headed(encoder, objective.make_heads())
        count = count_parameters(model)
        features = torch.empty(objective.copies * utterances, frames, config.features.mels)
        lengths = torch.full((objective.copies * utterances,), frames)
        regularizer = Regularizer(max(values_of(config.model.dropout)), 0.0, np.random.default_rng(0))
        # The tensors must live until the end: a storage that is freed gives its address to the next.
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = model(features, lengths, regularizer)
        weights = sum(p.untyped_storage().nbytes() for p in model.parameters() if p.untyped_storage()._cdata in kept)
        del outputs
    copies = 3 + MOMENTS[config.optimizer.kind]
    if plan.adascale and plan.at(0.0).whole.count > 1:
        copies += COPIES_OF_METER
    state = count * FLOAT * copies
    return MemoryEstimate(count, state, sum(kept.values()) - weights)
