"""Words with times, read off paths through CTC's frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.data.features import importing_torchaudio
from asr.data.symbols import BOUNDARY
from asr.data.tokens import BLANK
from asr.decode.search import SpelledWord


@dataclass(frozen=True)
class Word:
    """A word and when it is said, in seconds from the beginning of the file.

    CTC's peaks lie within their sounds: a start is up to some tens of milliseconds late, an end early.
    """

    text: str
    start: float
    end: float
    confidence: float
    """Mean probability of the word's tokens, at their best frames."""


@dataclass(frozen=True)
class Peak:
    """A token on a path: the frames `[first, stop)` that carry it, and its highest log-probability there."""

    token: int
    first: int
    stop: int
    log_prob: float


def find_peaks(path: npt.NDArray[np.int64], log_probs: npt.NDArray[np.float32]) -> list[Peak]:
    """The tokens of a frame-wise path: runs of one id, blanks left out.

    Args:
        path: token ids, `(frames,)`.
        log_probs: of these ids, `(frames,)`.
    """
    if not len(path):
        return []
    firsts = np.flatnonzero(np.concatenate(([True], path[1:] != path[:-1])))
    stops = np.append(firsts[1:], len(path))
    return [
        Peak(int(path[first]), int(first), int(stop), float(log_probs[first:stop].max()))
        for first, stop in zip(firsts, stops, strict=True)
        if path[first] != BLANK
    ]


def best_peaks(log_probs: Tensor) -> list[Peak]:
    """The best path's tokens, of log-probabilities `(frames, tokens)`."""
    best, ids = log_probs.max(-1)
    return find_peaks(ids.cpu().numpy(), best.float().cpu().numpy())


def force_path(log_probs: Tensor, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The likeliest path through exactly `ids`, and its log-probabilities: `(frames,)` each, of `(frames, tokens)`.

    Raises:
        UserError: torchaudio cannot be imported.
    """
    with importing_torchaudio():
        from torchaudio.functional import forced_align
    path = forced_align(log_probs[None], torch.tensor([ids], dtype=torch.int32), blank=BLANK)[0][0].long()
    return path, log_probs.gather(1, path[:, None])[:, 0]


def force_peaks(log_probs: Tensor, ids: Sequence[int]) -> list[Peak]:
    """The tokens of `force_path`."""
    if not ids:
        return []
    path, scores = force_path(log_probs, ids)
    return find_peaks(path.numpy(), scores.numpy())


def group_words(peaks: Iterable[Peak], symbols: Sequence[str]) -> list[list[Peak]]:
    """Peaks of each word; a boundary that is a token of its own belongs to none."""
    words: list[list[Peak]] = []
    begun = False
    for peak in peaks:
        symbol = symbols[peak.token]
        begun = begun and not symbol.startswith(BOUNDARY)
        if symbol == BOUNDARY:
            continue
        if begun:
            words[-1].append(peak)
        else:
            words.append([peak])
        begun = True
    return words


def write_words(peaks: Iterable[Peak], symbols: Sequence[str]) -> list[tuple[str, list[Peak]]]:
    """Words as their tokens write them."""
    groups = group_words(peaks, symbols)
    return [("".join(symbols[peak.token] for peak in group).replace(BOUNDARY, ""), group) for group in groups]


def name_words(
    peaks: Iterable[Peak], words: Sequence[SpelledWord], symbols: Sequence[str]
) -> list[tuple[str, list[Peak]]]:
    """Words as a lexicon writes them, with the peaks of their tokens."""
    own = (peak for peak in peaks if symbols[peak.token] != BOUNDARY)
    return [(word.text, list(itertools.islice(own, len(word.ids)))) for word in words]


def time_word(text: str, peaks: Sequence[Peak], first_frame: int, frame_seconds: float, certainty: float = 1.0) -> Word:
    """One word; `first_frame` is the file's frame at which the peaks' numbers begin, `certainty` a factor."""
    start, end = peaks[0].first + first_frame, peaks[-1].stop + first_frame
    confidence = certainty * sum(np.exp(p.log_prob) for p in peaks) / len(peaks)
    return Word(text, round(start * frame_seconds, 3), round(end * frame_seconds, 3), round(float(confidence), 4))
