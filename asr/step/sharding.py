"""FSDP2: student, teacher and optimizer cut between devices, for models that outgrow one.

Checkpoints are written by all ranks together and hold whole tensors, as with one device: any number of devices, with
or without sharding, goes on from them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from asr.model.encoder import HEAD
from asr.model.headed import Headed
from asr.step.ranks import Ranks

# Sharded tensors are told by what they can do: importing their class takes longer than most commands.


def _parts(model: Headed) -> list[Any]:
    """What is cut by itself, its blocks aside."""
    return [model.encoder, *([] if model.heads is None else model.heads.children())]


def shard(model: Headed, ranks: Ranks) -> None:
    """Cut each block's parameters, those around the blocks, and each head's, between ranks. They are put together when
    used."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.world_size,))
    for module in (*model.encoder.blocks, *_parts(model)):
        # The teacher has no backward pass after which its parameters would be cut again.
        fully_shard(module, mesh=mesh, reshard_after_forward=True)


def hold(model: Headed) -> None:
    """From here on parameters stay put together when they have been used, and gradients are added up uncut."""
    for part in _parts(model):
        part.set_reshard_after_forward(False)
        part.set_reshard_after_backward(False)
        part.set_requires_gradient_sync(False)


def exchange_next(model: Headed) -> None:
    """With the next backward pass gradients are exchanged, and parameters cut again."""
    for part in _parts(model):
        part.set_reshard_after_backward(True)
        part.set_requires_gradient_sync(True)


def let_go(model: Headed) -> None:
    """Cut what is still put together, and from here on after each use."""
    exchange_next(model)
    for part in _parts(model):
        part.set_reshard_after_forward(True)
    for module in (*model.encoder.blocks, *_parts(model)):
        module.reshard()


def joined(tensor: Any) -> Tensor:
    """A tensor, put together where it is sharded; on its device."""
    full: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full


def write_sharded(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], ranks: Ranks) -> dict[str, str]:
    """`NAME.safetensors` for each of `tensors`, in a folder that exists for all ranks once the first one calls this.

    Each rank writes what it holds, through `torch.distributed.checkpoint`; the first one puts the parts together on
    disk. No rank has a whole model in memory, and nothing is pickled. A tensor without dimensions is written with one.
    Digests are left to be found.

    Raises:
        OSError: a rank could not write; on all ranks.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    ranks.wait()
    for name, part in tensors.items():
        if not any(tensor.is_floating_point() and tensor.dim() > 1 for tensor in part.values()):
            # Labels, of which every rank has all; the library takes no whole numbers (seen in 2.14).
            if ranks.main:
                save_file(dict(part), folder / f"{name}.safetensors")
            continue
        parts = folder / name
        writer = HuggingFaceStorageWriter(str(parts), save_distributed=True, enable_consolidation=True)
        # The library loses the value of a tensor without dimensions when it puts parts together (seen in 2.14).
        dimensional = {key: tensor if tensor.dim() else tensor[None] for key, tensor in part.items()}
        try:
            save(dimensional, storage_writer=writer)
        except CheckpointException as error:
            rank, (cause, _) = next(iter(error.failures.items()))
            raise OSError(f"rank {rank}: {cause}") from None
        if ranks.main:
            (joint,) = parts.glob("*.safetensors")
            joint.rename(folder / f"{name}.safetensors")
            shutil.rmtree(parts)
    return {}


def cut_like(tensor: Tensor, other: Any) -> Tensor:
    """This rank's part of a whole tensor where `other`, of its shape, is sharded; else the tensor."""
    if hasattr(tensor, "placements") or not hasattr(other, "placements") or tensor.shape != other.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    # Every rank has read the same file.
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements, src_data_rank=None)


def load_whole(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """`load_state_dict` of whole tensors, into a model that may be sharded."""
    own = model.state_dict()
    model.load_state_dict({k: cut_like(t, own[k]) if k in own else t for k, t in tensors.items()})


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a trained model; either may lack a head. Raises RuntimeError where it is another model."""
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(HEAD)}
    given = {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(HEAD)}
    load_whole(model, own | given)
