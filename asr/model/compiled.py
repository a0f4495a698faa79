"""Blocks compiled by TorchDynamo: all blocks of a model share one graph, made when a kind of call is first met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from asr.model.encoder import Encoder

BACKEND: str | Callable[..., Any] = "inductor"
MOST_GRAPHS = 64
"""With and without gradients, skipped or not, one utterance or several, the first length and any other. Beyond its own
bound of 8 TorchDynamo would go on without compiling."""


def compile_blocks(encoder: Encoder) -> None:
    """Have the blocks' forward passes compiled. Parameters keep their names; copies made before stay as they are.

    Hooks stay outside of what is compiled, so that blocks can be cut between devices.
    """
    torch._dynamo.config.recompile_limit = MOST_GRAPHS
    for block in encoder.blocks:
        block.forward = torch.compile(block.forward, backend=BACKEND)
