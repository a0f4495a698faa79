"""From audio to labels, by any model and search: what training and the verb `label` share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asr.data.tokens import Tokenizer
from asr.decode.greedy import GreedyLabel, pack_best, unpack_best
from asr.decode.search import Search
from asr.pseudo.label import Label


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
    """What a search on the host needs of a batch, as one fp32 tensor `(batch, frames · tokens + 2)`.

    Columns are the log-probabilities, the real frames, the mean log-probability of the likeliest path.

    Args:
        log_probs: `(batch, frames, tokens)`.
        lengths: real frames, `(batch,)`.
    """
    return torch.cat((log_probs.float().flatten(1), pack_best(log_probs, lengths)[:, -2:]), 1)


def search_all(packed: Tensor, tokens: int, search: Search) -> list[GreedyLabel]:
    """What a search finds in the tensor of `pack_all`, of so many tokens, on the host."""
    lengths = packed[:, -2].long()
    found = search(packed[:, :-2].reshape(len(packed), -1, tokens), lengths)
    means = packed[:, -1].tolist()
    return [GreedyLabel(s.ids, *both) for s, *both in zip(found, lengths.tolist(), means, strict=True)]


def respell(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[int, ...]:
    """What the tokenizer makes of the text of a path: a path may spell it otherwise, or hold a stray word boundary.

    Phones are what they are.
    """
    return tuple(tokenizer.encode(tokenizer.decode(ids)) if tokenizer.writes_words else ids)


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
    found = unpack_best(packed) if search is None else search_all(packed, tokenizer.size, search)
    return [
        Label(row, respell(tokenizer, best.ids), best.mean_log_prob, best.frames, hour, maker)
        for row, best in zip(rows, found, strict=True)
    ]
