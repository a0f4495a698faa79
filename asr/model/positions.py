"""Where in time a frame is: rotary embeddings, and CAPE."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr.data.draws import draw_each
from asr.device import send


def rotary_angles(frames: int, head_width: int, device: torch.device) -> Tensor:
    """RoPE's turns (Su et al., 2021, eq. 15) as complex numbers of length 1, `(frames, head_width / 2)`."""
    rates = 10000.0 ** (-torch.arange(0, head_width, 2, device=device, dtype=torch.float32) / head_width)
    angles = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * rates
    return torch.polar(torch.ones_like(angles), angles)


def rotate(heads: Tensor, angles: Tensor) -> Tensor:
    """Queries and keys, turned by their position, in fp32: `(batch, frames, …, heads, head_width)`.

    Neighbouring channels are a complex number, so that the turn is one product.
    """
    pairs = torch.view_as_complex(heads.float().reshape(*heads.shape[:-1], -1, 2))
    turned = pairs * angles.view(1, angles.shape[0], *[1] * (pairs.ndim - 3), -1)
    return torch.view_as_real(turned).flatten(-2)


class TurnedHeads(torch.autograd.Function):
    """Queries, keys and values `(batch, heads, frames, head_width)` of fp32 products, queries and keys turned.

    The same as slices and `rotate`, but each gradient is written once, into its place: slices would make a tensor of
    zeros each, copied into and added up.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of products `(batch, frames, 3, heads, head_width)` and `rotary_angles`."""
        ctx.angles = angles
        pair = _as_complex(products[:, :, :2]).permute(2, 0, 3, 1, 4)
        turned = torch.empty(pair.shape, dtype=pair.dtype)
        torch.mul(pair, angles, out=turned)
        query, key = torch.view_as_real(turned).flatten(-2)
        return query, key, products[:, :, 2].transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        batch, heads, frames, width = grads[0].shape
        products = torch.empty(batch, frames, 3, heads, width)
        places, back = _as_complex(products), ctx.angles.conj().resolve_conj()[:, None]
        for index, grad in enumerate(grads[:2]):
            # Attention that is not fused leaves the keys' gradient transposed.
            grad = grad if grad.stride(-1) == 1 else grad.contiguous()
            torch.mul(_as_complex(grad).transpose(1, 2), back, out=places[:, :, index])
        products[:, :, 2] = grads[2].transpose(1, 2)
        return products, None


def _as_complex(x: Tensor) -> Tensor:
    return torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))


CAPE_SHIFT_SECONDS = 30.0


def cape_positions(lengths: Tensor, frames: int, frame_seconds: float, rng: np.random.Generator | None) -> Tensor:
    """Positions in seconds, `(batch, frames)`, 0 in the middle of each utterance; moved where `rng` is given.

    CAPE (Likhomanenko et al., 2021, §3) as its authors have it for speech (apple-aiml-research/ml-pfl4asr,
    `create_model`): centred over real frames, shifted by up to 30 s, neither stretched nor moved frame by frame.

    Args:
        lengths: real frames, `(batch,)`.
        frames: of the batch.
        frame_seconds: from one to the next.
        rng: of the shifts.
    """
    steps = torch.arange(frames, device=lengths.device, dtype=torch.float32)
    positions = (steps - (lengths.clamp(min=1)[:, None] - 1) / 2) * frame_seconds
    if rng is None:
        return positions
    shift = (CAPE_SHIFT_SECONDS * (2 * draw_each(rng, (), len(lengths), (1,)) - 1)).astype(np.float32)
    return positions + send(torch.from_numpy(shift), positions.device)


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sine and cosine embeddings `(batch, frames, width)` of positions in seconds.

    Wavelengths run from about a frame to 10,000 of them, so that 30 ms apart is told apart.
    """
    half = width // 2
    rates = torch.exp(-math.log(10000.0) / half * torch.arange(half, device=positions.device)) * 30.0
    angles = positions[..., None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
