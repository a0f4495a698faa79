"""CTC prefix beam search: the texts of highest probability, summed over all their alignments.

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs"
(arXiv:1408.2873), without a language model. All hypotheses of a batch move through a frame together; every row is
searched as if it were alone, so results do not depend on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.data.tokens import BLANK
from asr.decode.hotwords import Hotwords
from asr.decode.search import Sentence

_NEVER = -torch.inf
_MIX = 6364136223846793005
"""Knuth's multiplier; prefixes are told apart by a hash of 64 bits."""


@dataclass(frozen=True)
class Hypothesis:
    """Token ids, and the natural logarithm of their probability plus what hotwords add to it."""

    ids: list[int]
    score: float


@dataclass
class _Beams:
    """Hypotheses, `(batch, width)` each."""

    blank: Tensor
    """Log-probability of the alignments so far that end with a blank."""
    label: Tensor
    """And of those that end with the last token."""
    last: Tensor
    name: Tensor
    """Hash of the tokens."""
    parent: Tensor
    """Hash of the tokens but the last."""
    state: Tensor
    """Of the hotwords."""
    bonus: Tensor

    def select(self, index: Tensor) -> _Beams:
        return _Beams(*(field.gather(1, index) for field in vars(self).values()))


def _first_beams(batch: int, width: int, device: torch.device, state: int) -> _Beams:
    """One hypothesis, the empty one; the others are impossible ones that the first frames replace."""
    never = torch.full((batch, width), _NEVER, device=device)
    certain = never.clone()
    certain[:, 0] = 0.0
    zeros = torch.zeros((batch, width), dtype=torch.long, device=device)
    # No two names are the same, and none is the empty text's child.
    names = torch.arange(width, device=device).expand(batch, width) + 1
    return _Beams(certain, never, zeros, names, zeros, zeros + state, torch.zeros_like(never))


class BeamSearch:
    def __init__(self, width: int, tokens: int, symbols: Sequence[str], hotwords: Hotwords | None = None) -> None:
        """
        Args:
            width: hypotheses that are kept.
            tokens: of each frame only so many, the likeliest, go into hypotheses.
            symbols: what each token writes.
            hotwords: what is worth more.
        """
        self._width, self._tokens = width, min(tokens, len(symbols) - 1)
        states, earned, endings = [[0] * len(symbols)], [[0.0] * len(symbols)], [0.0]
        self._start = 0
        self._next, self._earned, self._endings = torch.tensor(states), torch.tensor(earned), torch.tensor(endings)
        if hotwords is not None:
            self._start = hotwords.start
            self._next, self._earned = (torch.from_numpy(table) for table in hotwords.table(symbols))
            self._endings = torch.from_numpy(hotwords.endings())

    def _step(self, beams: _Beams, frame: Tensor) -> tuple[_Beams, Tensor, Tensor]:
        """One frame, `(batch, tokens)`, further; also each hypothesis' parent and new token (0: none)."""
        batch, width = beams.blank.shape
        total = torch.logaddexp(beams.blank, beams.label)
        begun = beams.last != BLANK
        last = frame.gather(1, beams.last)
        # Where a hypothesis and its parent are both kept, what the parent would grow into is this hypothesis.
        child = (beams.parent[:, :, None] == beams.name[:, None, :]) & (total > _NEVER)[:, None, :] & begun[:, :, None]
        found, parent = child.long().max(2)
        # Between two tokens that are the same there is a blank.
        same = beams.last.gather(1, parent) == beams.last
        grown = torch.where(same, beams.blank.gather(1, parent), total.gather(1, parent)) + last
        stay_blank = total + frame[:, BLANK, None]
        stay_label = torch.logaddexp(
            (beams.label + last).masked_fill(~begun, _NEVER), grown.masked_fill(found == 0, _NEVER)
        )

        best, token = frame[:, 1:].topk(self._tokens, 1)
        token = token + 1
        repeated = beams.last[:, :, None] == token[:, None, :]
        grow = torch.where(repeated, beams.blank[:, :, None], total[:, :, None]) + best[:, None, :]
        merged = frame.new_zeros(batch, width * frame.shape[1])
        merged.scatter_(1, (parent * frame.shape[1] + beams.last) * found, _NEVER)
        token = token[:, None, :].expand_as(grow)
        grow = grow + merged.view(batch, width, -1).gather(2, token)
        state = beams.state[:, :, None]
        bonus = beams.bonus[:, :, None] + self._earned[state, token]

        ranked = torch.cat((torch.logaddexp(stay_blank, stay_label) + beams.bonus, (grow + bonus).flatten(1)), 1)
        chosen = ranked.topk(width, 1).indices
        stays = chosen < width
        grown_index = (chosen - width).clamp(min=0)
        origin = torch.where(stays, chosen, grown_index // self._tokens)
        new = token.flatten(1).gather(1, grown_index).masked_fill(stays, BLANK)
        kept = beams.select(origin)
        return (
            _Beams(
                blank=stay_blank.gather(1, origin).masked_fill(~stays, _NEVER),
                label=torch.where(stays, stay_label.gather(1, origin), grow.flatten(1).gather(1, grown_index)),
                last=torch.where(stays, kept.last, new),
                name=torch.where(stays, kept.name, kept.name * _MIX + new),
                parent=torch.where(stays, kept.parent, kept.name),
                state=torch.where(stays, kept.state, self._next[kept.state, new]),
                bonus=torch.where(stays, kept.bonus, bonus.flatten(1).gather(1, grown_index)),
            ),
            origin,
            new,
        )

    @torch.no_grad()
    def hypotheses(self, log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        """The texts that are left at the end of each utterance, best first.

        Args:
            log_probs: `(batch, frames, tokens)`.
            lengths: real frames, `(batch,)`.
        """
        device, (batch, frames, _) = log_probs.device, log_probs.shape
        self._next, self._earned = self._next.to(device), self._earned.to(device)
        # Behind the end there is certainly nothing, which leaves every score as it is.
        log_probs = log_probs.float()
        past = torch.arange(frames, device=device) >= lengths.to(device)[:, None]
        log_probs = log_probs.masked_fill(past[:, :, None], _NEVER)
        log_probs[:, :, BLANK].masked_fill_(past, 0.0)
        beams = _first_beams(batch, self._width, device, self._start)
        origins, tokens = [], []
        for frame in log_probs.unbind(1):
            beams, origin, token = self._step(beams, frame)
            origins.append(origin)
            tokens.append(token)
        score = torch.logaddexp(beams.blank, beams.label) + beams.bonus + self._endings.to(device)[beams.state]
        score, best = score.sort(dim=1, descending=True, stable=True)
        texts = _trace_back(origins, tokens, best)
        return [
            [Hypothesis(ids, value) for ids, value in zip(row, values, strict=True) if value > _NEVER]
            for row, values in zip(texts, score.tolist(), strict=True)
        ]

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> list[Sentence]:
        """Each utterance's best text."""
        return [Sentence(found[0].ids) for found in self.hypotheses(log_probs, lengths)]


def _trace_back(origins: Sequence[Tensor], tokens: Sequence[Tensor], beams: Tensor) -> list[list[list[int]]]:
    """The tokens of hypotheses `(batch, width)`, from each frame's parents and new tokens."""
    written = torch.zeros((len(tokens), *beams.shape), dtype=torch.long, device=beams.device)
    for frame in range(len(tokens) - 1, -1, -1):
        written[frame] = tokens[frame].gather(1, beams)
        beams = origins[frame].gather(1, beams)
    columns = written.permute(1, 2, 0).cpu().numpy()
    return [[column[column != BLANK].tolist() for column in row] for row in columns]
