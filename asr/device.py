"""Where models run."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from asr.processors import free_processors


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; a copy, for which the host does not wait: of memory that may be paged out it would."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def choose_device() -> torch.device:
    """The GPU of this process, by torchrun's LOCAL_RANK where there are several, or else the CPU.

    On the CPU PyTorch gets no more threads than processors are free: it counts those that the process is bound to, but
    knows nothing of a container's share of them. OMP_NUM_THREADS has the last word.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > free_processors():
        torch.set_num_threads(free_processors())
    return torch.device("cpu")
