"""Which numbers a device computes with: the type of matrix products, and whether they are the same every time."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import torch

from asr.errors import UserError


def autocast_type(precision: str, device: torch.device) -> torch.dtype:
    """The type that `train.precision` means on a device.

    auto is bf16 where the hardware multiplies it. A CPU without such instructions emulates them: bf16 took
    17 times as long as fp32 on one with AVX2 alone.

    Raises:
        UserError: fp16 on a CPU.
    """
    if precision == "auto":
        native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if native else torch.float32
    if precision == "fp16" and device.type == "cpu":
        raise UserError("train.precision: fp16 needs a GPU; use auto, bf16 or fp32 here")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def autocast(kind: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(device.type, kind, enabled=kind is not torch.float32)


def compute_deterministically() -> None:
    """For this process: of what CUDA computes, only what is the same bits every time; an operation without such an
    algorithm is a RuntimeError. To be called before the first matrix product."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
