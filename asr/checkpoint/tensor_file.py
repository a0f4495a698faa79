"""Tensors on disk, as safetensors has them: a length, a header in JSON, and the bytes of one tensor after the other.

The library's own writer takes a copy of everything first. This one does not, lets other threads run while it writes,
and digests what it writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
ALIGNED = 8
"""Bytes, that the first tensor's place is a multiple of; large types come first, so that all are aligned."""
AT_ONCE = 1 << 26
"""Bytes that are written at a time."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors of any device to a file; returns its SHA-256. Raises OSError, and KeyError for a type that is not
    among `NAMES`."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        one = tensors[name]
        begin, end = end, end + one.numel() * one.element_size()
        header[name] = {"dtype": NAMES[one.dtype], "shape": list(one.shape), "data_offsets": [begin, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGNED)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in (len(head).to_bytes(8, "little"), head):
            digest.update(part)
            file.write(part)
        for name in order:
            content = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            for begin in range(0, len(content), AT_ONCE):
                digest.update(content[begin : begin + AT_ONCE])
                file.write(content[begin : begin + AT_ONCE])
    return digest.hexdigest()
