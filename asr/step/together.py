"""Micro-batches that go through the student together, where one by one they are too small to keep a processor busy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from asr.config import Config
from asr.model.encoder import Heard
from asr.objective.objective import Inputs
from asr.schedule import value_at
from asr.step.feeder import Work

WORTH = 1.25
"""How much more frames may become by padding to the longest of a group: more would cost what is won."""


def neighbours(works: Sequence[Work], places: Sequence[int], most: int) -> list[list[int]]:
    """Places of micro-batches, in groups of at most so many feature frames, padding included."""
    groups: list[list[int]] = []
    count = longest = apart = 0
    for place in places:
        utterances, frames = max(1, len(works[place].samples)), works[place].batch.frames
        area = (count + utterances) * max(longest, frames)
        if groups and area <= min(most, WORTH * (apart + utterances * frames)):
            groups[-1].append(place)
            count, longest, apart = count + utterances, max(longest, frames), apart + utterances * frames
        else:
            groups.append([place])
            count, longest, apart = utterances, frames, utterances * frames
    return groups


def passes(works: Sequence[Work], trained: Sequence[int], config: Config, hours: float) -> list[list[int]]:
    """Places of micro-batches that are trained on, in groups that the student hears together, on a CPU.

    Each goes alone where blocks are left out or positions shifted, as is drawn for each; all go together in a
    rehearsal, since no group takes more than the largest of either kind do.
    """
    if value_at(config.model.layerdrop, hours) > 0 or config.model.positions == "cape":
        return [[place] for place in trained]
    if any(work.worst for work in works):
        return [list(trained)]
    return neighbours(works, trained, int(config.batch.device_seconds * 1000 / config.features.shift_ms))


def join(parts: Sequence[Inputs]) -> tuple[Tensor, Tensor]:
    """Features `(sum of all, frames, mels)`, padded to the longest, and real frames of each."""
    longest = max(part.features.shape[1] for part in parts)
    padded = [pad(part.features, (0, 0, 0, longest - part.features.shape[1])) for part in parts]
    return torch.cat(padded), torch.cat([part.frames for part in parts])


def _part(tensor: Tensor, rows: slice, frames: int) -> Tensor:
    # What no objective asked for is empty.
    return tensor[rows, :frames] if tensor.numel() else tensor


def split(heard: Heard, parts: Sequence[Inputs], stride: int) -> list[Heard]:
    """What was heard of each part of what `join` has joined, without the frames that others needed."""
    found: list[Heard] = []
    first = 0
    for part in parts:
        rows, frames = slice(first, first + len(part.features)), -(-part.features.shape[1] // stride)
        first = rows.stop
        found.append(
            Heard(
                _part(heard.log_probs, rows, frames),
                heard.lengths[rows],
                tuple(_part(each, rows, frames) for each in heard.intermediate),
                _part(heard.top, rows, frames),
                tuple(_part(each, rows, frames) for each in heard.states),
                _part(heard.predicted, rows, frames),
            )
        )
    return found
