from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from asr.checkpoint import tensor_file
from asr.checkpoint.tensor_file import NAMES, write_tensors


def test_what_is_written_the_library_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of several pieces.
    monkeypatch.setattr(tensor_file, "AT_ONCE", 16)
    torch.manual_seed(0)
    tensors = {str(kind): (torch.randn(3, 5) * 9).to(kind) for kind in NAMES}
    tensors |= {
        "number": torch.tensor(7.5),
        "none": torch.zeros(0, 4),
        "turned": torch.randn(4, 6).T,
        "wörd": torch.ones(1),
    }
    path = tmp_path / "a.safetensors"
    digest = write_tensors(path, tensors)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found[name], tensor)
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == set(tensors)
    write_tensors(path, {})
    assert load_file(path) == {}
