"""A model's tensors by name, however it is wrapped, compiled or sharded."""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers by their size in bytes."""


def shard_again(model: nn.Module) -> None:
    """After a forward pass alone FSDP2 keeps its outermost parameters whole, and reads those, not the shards."""
    fsdp = sys.modules.get("torch.distributed.fsdp")  # Slow to import; without it nothing is sharded.
    if fsdp is not None:
        for module in model.modules():
            if isinstance(module, fsdp.FSDPModule):
                module.reshard()


def bit_sums(model: nn.Module) -> Tensor:
    """By which a model is known again: of each parameter the sum of its bits as whole numbers, `(parameters,)`.

    Sums of floats depend on the order of adding, and so on threads and devices.
    """
    bits = [parameter.detach().view(_BITS[parameter.element_size()]) for parameter in model.parameters()]
    sums = [number.sum(dtype=torch.int64) for number in bits]
    return torch.stack([one.to(sums[0].device) for one in sums]) if sums else torch.zeros(0)


def named_tensors(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers by the names that they have without DistributedDataParallel or torch.compile; in shards,
    where FSDP2 has cut them."""
    shard_again(model)
    wrapped: list[str] = []
    for name, module in model.named_modules():
        # The class of compiled models is slow to import.
        inner = "module" if isinstance(module, nn.parallel.DistributedDataParallel) else "_orig_mod"
        if inner in module._modules:
            wrapped.append(f"{name}.{inner}." if name else f"{inner}.")

    def bare(name: str) -> str:
        # The innermost first: what is outside it keeps its length.
        for prefix in reversed(wrapped):
            if name.startswith(prefix):
                name = prefix[: prefix[:-1].rfind(".") + 1] + name[len(prefix) :]
        return name

    parameters: dict[str, Tensor] = {bare(name): tensor for name, tensor in model.named_parameters()}
    return parameters, {bare(name): tensor for name, tensor in model.named_buffers()}
