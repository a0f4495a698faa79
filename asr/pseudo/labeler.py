"""From audio to labels, by any model and search: what training and the verb `label` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from asr.data.tokens import Tokenizer
from asr.decode.greedy import GreedyLabel, pack_best, unpack_best
from asr.decode.search import Search
from asr.pseudo.label import Label

UNLIKELY = -100.0
"""Mean log-probability of a label that has no path, and least of all others."""


def pack_sampled(log_probs: Tensor, lengths: Tensor, temperature: float, seeds: Sequence[int]) -> Tensor:
    """As `pack_best`, of a path drawn from the probabilities instead of the likeliest one.

    Berrebbi et al., "Continuous Pseudo-Labeling from the Start" (ICLR 2023), §3: early labels of the likeliest path are
    all blank; drawn ones are not. The mean log-probability stays that of the likeliest path.

    Args:
        log_probs: `(batch, frames, tokens)`.
        lengths: real frames, `(batch,)`.
        temperature: of the draw; towards 0 it becomes the likeliest path.
        seeds: of each utterance: all that its draw depends on, beside the device's kind.
    """
    packed = pack_best(log_probs, lengths)
    device, generator = log_probs.device, torch.Generator(log_probs.device)
    each = [torch.rand(log_probs.shape[1:], generator=generator.manual_seed(seed), device=device) for seed in seeds]
    noise = torch.stack(each).clamp(min=1e-20)
    # Gumbel's trick: the largest of log p − ln(−ln u) is a draw from p.
    drawn = (log_probs.float() / temperature - (-noise.log()).log()).argmax(-1)
    real = torch.arange(drawn.shape[1], device=drawn.device) < lengths[:, None]
    return torch.cat((drawn.float() * real, packed[:, -2:]), 1)


def pack_all(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """What a search on the host needs of a batch, as one fp32 tensor `(batch, frames · tokens + 1)`: log-probabilities,
    and the real frames.

    Args:
        log_probs: `(batch, frames, tokens)`.
        lengths: real frames, `(batch,)`.
    """
    return torch.cat((log_probs.float().flatten(1), lengths[:, None].float()), 1)


def _search_all(packed: Tensor, tokenizer: Tokenizer, search: Search) -> list[GreedyLabel]:
    """What a search on the host finds in the tensor of `pack_all`, as it is spelled, and how likely that is: of all its
    paths together, a frame."""
    frames = packed[:, -1].long()
    log_probs = packed[:, :-1].reshape(len(packed), -1, tokenizer.size)
    ids = [respell(tokenizer, sentence.ids) for sentence in search(log_probs, frames)]
    joined = torch.tensor([i for one in ids for i in one], dtype=torch.long)
    sizes = torch.tensor([len(one) for one in ids])
    losses = ctc_loss(log_probs.transpose(0, 1), joined, frames, sizes, reduction="none")
    means = (-losses / frames.clamp(min=1)).clamp(min=UNLIKELY).tolist()
    return [GreedyLabel(list(one), *both) for one, *both in zip(ids, frames.tolist(), means, strict=True)]


def respell(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[int, ...]:
    """What the tokenizer makes of the text of a path: a path may spell it otherwise, or hold a stray word boundary.

    Phones are what they are, but for boundaries that stand between no two of them.
    """
    if tokenizer.writes_words:
        return tuple(tokenizer.encode(tokenizer.decode(ids)))
    boundary = tokenizer.boundary
    kept: list[int] = []
    for one in ids:
        if one != boundary or (kept and kept[-1] != boundary):
            kept.append(one)
    return tuple(kept[:-1] if kept and kept[-1] == boundary else kept)


def read_labels(
    packed: Tensor, rows: Sequence[int], tokenizer: Tokenizer, hour: float, maker: str, search: Search | None = None
) -> list[Label]:
    """The labels in a tensor of `pack_best` or `pack_sampled`, one of each row, on the host.

    Args:
        packed: `(batch, frames + 2)`, or what `pack_all` makes, where there is a search.
        rows: utterances of the batch.
        tokenizer: the model's.
        hour: of audio.
        maker: model, search and normaliser.
        search: finds the labels here, where no path has been chosen yet.
    """
    if search is None:
        found = [replace(best, ids=list(respell(tokenizer, best.ids))) for best in unpack_best(packed)]
    else:
        found = _search_all(packed, tokenizer, search)
    return [
        Label(row, tuple(best.ids), best.mean_log_prob, best.frames, hour, maker)
        for row, best in zip(rows, found, strict=True)
    ]
