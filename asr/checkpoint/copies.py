"""Copies of tensors on the host, each taken into the memory of the one before."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Copies:
    """Memory is had from the system once: on a CPU that takes several times what copying does."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Tensor]] = {}

    def _place(self, like: Tensor, name: str, key: str) -> Tensor:
        place = self._held.get(name, {}).get(key)
        if place is None or (place.shape, place.dtype) != (like.shape, like.dtype):
            # Only pinned memory is copied into at a GPU's full speed.
            place = torch.empty(like.shape, dtype=like.dtype, pin_memory=like.device.type == "cuda")
        return place

    def take(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """As they are now, by name and key; what was taken before is overwritten."""
        self._held = {
            name: {key: self._place(t, name, key).copy_(t.detach(), non_blocking=True) for key, t in part.items()}
            for name, part in tensors.items()
        }
        if any(t.device.type == "cuda" for part in tensors.values() for t in part.values()):
            torch.cuda.synchronize()
        return self._held
