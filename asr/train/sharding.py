"""FSDP2: student, teacher and optimizer cut between devices, for models that outgrow one.

Checkpoints hold whole tensors, as with one device: any number of devices, with or without sharding, goes on from them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from asr.model.encoder import Encoder
from asr.train.ranks import Ranks


def shard(model: Encoder, ranks: Ranks) -> None:
    """Cut each block's parameters, and those around the blocks, between ranks. They are put together when used."""
    mesh = init_device_mesh(ranks.device.type, (ranks.world_size,))
    for module in (*model.blocks, model):
        # The teacher has no backward pass after which its parameters would be cut again.
        fully_shard(module, mesh=mesh, reshard_after_forward=True)


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sharded tensors put together, on the host. All ranks must ask for the same ones."""
    return {
        name: (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()
        for name, tensor in tensors.items()
    }


def cut_like(tensor: Tensor, other: Tensor) -> Tensor:
    """This rank's part of a whole tensor where `other`, of its shape, is sharded; else the tensor."""
    if not isinstance(other, DTensor) or tensor.shape != other.shape:
        return tensor
    # Every rank has read the same file.
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements, src_data_rank=None)


def load_whole(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """`load_state_dict` of whole tensors, into a model that may be sharded."""
    own = model.state_dict()
    model.load_state_dict({k: cut_like(t, own[k]) if k in own else t for k, t in tensors.items()})


def number(tensor: Tensor) -> Tensor:
    """A norm over sharded tensors as a plain scalar."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else torch.as_tensor(tensor)
