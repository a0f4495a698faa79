"""The processes that train together: one per device, started by torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from asr.device import choose_device
from asr.model.arrival import Arrival, fetch

T = TypeVar("T")

TIMEOUT = timedelta(minutes=10)
"""After this long without an answer the other ranks give up. Evaluations are shared out, so none waits for long."""


@dataclass(frozen=True)
class Ranks:
    """This process among all. With one process every operation is a no-op."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def main(self) -> bool:
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over ranks, in float64. It takes them on the host: what GPUs have still to do is not waited for."""
        if self.world_size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def begin_sum(self, value: float) -> Arrival:
        """As `sum`, of one number, without waiting: for GPUs to come to it, that is."""
        total = torch.full((1,), value, dtype=torch.float64, device=self.device)
        if self.world_size > 1:
            dist.all_reduce(total)
        return fetch([total])

    def sum_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over ranks, all in one transfer."""
        if self.world_size == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def gather(self, value: T) -> list[T]:
        """Every rank's value, none of them None, on every rank; between hosts, as `sum`."""
        if self.world_size == 1:
            return [value]
        values: list[T | None] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return [v for v in values if v is not None]

    def wait(self) -> None:
        if self.world_size > 1:
            dist.barrier()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """This process's place as torchrun's environment variables give it; alone without them."""
    world_size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = choose_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world_size == 1:
        yield Ranks(rank, world_size, device)
        return
    # Objects go by the host's backend where there is one: NCCL's makes the host wait for each rank's.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Ranks(rank, world_size, device)
    finally:
        dist.destroy_process_group()
