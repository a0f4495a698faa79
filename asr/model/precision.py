"""Mixed precision: which type matrix products are computed in."""

from __future__ import annotations

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
