"""Tensors on their way from a device to the host, which has other things to do meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Arrival:
    """Of `fetch`."""

    tensors: list[Tensor]
    """On the host, once they have arrived."""
    done: torch.cuda.Event | None = None
    """When they have; None: they were there."""

    def read(self) -> list[Tensor]:
        """The tensors; waits for them, and for nothing that the device was told later."""
        if self.done is not None:
            self.done.synchronize()
        return self.tensors


def fetch(tensors: Sequence[Tensor]) -> Arrival:
    """Begin to copy tensors of one device to the host, all of which arrive together."""
    if not tensors or tensors[0].device.type != "cuda":
        return Arrival(list(tensors))
    # Only into pinned memory does a device copy without the host's waiting.
    held = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True).copy_(t, non_blocking=True) for t in tensors]
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record()
    return Arrival(held, done)
