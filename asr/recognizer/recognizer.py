"""A trained model at work: samples in, log-probabilities and words out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.audio.pauses import choose_cuts, frame_power, relative_loudness
from asr.data.audio import SAMPLE_RATE, Samples
from asr.data.features import LogMel, pad_waveforms
from asr.data.tokens import load_tokenizer
from asr.decode.search import Search, Sentence
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.recognizer.trained import TrainedModel
from asr.recognizer.windows import Segment, join_windows, place_windows
from asr.recognizer.words import Peak, Word, best_peaks, force_peaks, name_words, time_word, write_words

BATCH_SECONDS = 60.0
"""Audio that the model takes at a time, padding included."""


Progress = Callable[[float], object]


def untold(_: float) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class WindowSettings:
    """How audio that is longer than the longest window is cut: at pauses, where they allow it."""

    shortest_seconds: float = 4.0
    longest_seconds: float = 15.0
    overlap_seconds: float = 4.0
    """What two windows have in common where they meet within speech."""
    whole_seconds: float = 0.0
    """A file up to here is not cut either."""

    def __post_init__(self) -> None:
        shortest, longest, overlap = self.shortest_seconds, self.longest_seconds, self.overlap_seconds
        if not (shortest >= 0.25 and 2 * shortest <= longest < math.inf and 0 < overlap <= longest / 2):
            raise UserError(
                f"windows of {shortest:g} to {longest:g} s with an overlap of {overlap:g} s: the shortest must be "
                "0.25 s at least, the longest twice the shortest, the overlap more than 0 and at most half the longest"
            )


def choose_windows(
    trained: TrainedModel, shortest: float | None, longest: float | None, overlap: float | None
) -> WindowSettings:
    """What is given, and for the rest what the model was trained on; the overlap is a quarter of the longest.

    Windows are as long as almost all utterances were, but a file as long as the longest one is heard whole, as in
    training and evaluation, where memory was enough for it. Nothing longer was ever heard: on the generated corpus two
    utterances joined, which are up to twice as long, had a WER of 25 % whole and of 11 % in windows.
    """
    usual = trained.utterance_seconds or (WindowSettings.shortest_seconds, WindowSettings.longest_seconds, 0.0)
    whole = usual[2] if longest is None else 0.0
    longest = usual[1] if longest is None else longest
    shortest = min(usual[0], longest / 2) if shortest is None else shortest
    return WindowSettings(shortest, longest, longest / 4 if overlap is None else overlap, whole)


class Recognizer:
    """Results are those of fp32 without regularisation, whatever is recognised beside a file."""

    def __init__(
        self, trained: TrainedModel, settings: WindowSettings, device: torch.device, search: Search | None = None
    ) -> None:
        """Decodes greedily without a `search`."""
        self._search = search
        self.tokenizer = load_tokenizer(trained.tokens)
        self.symbols = self.tokenizer.symbols
        self._device = device
        shift_seconds = trained.features.shift_ms / 1000
        self._features = LogMel(trained.features).to(device)
        self._model = Encoder(trained.features.mels, len(self.symbols), trained.model, shift_seconds)
        self._model.load_state_dict(trained.weights)
        self._model.to(device).eval()
        self._grid = self._features.shift * trained.model.stride
        self.frame_seconds = self._grid / SAMPLE_RATE
        seconds = (settings.shortest_seconds, settings.longest_seconds, settings.overlap_seconds)
        self._frames = [max(1, round(s / self.frame_seconds)) for s in seconds]
        self._whole = round(settings.whole_seconds * SAMPLE_RATE)

    @torch.no_grad()
    def _log_probs(self, samples: Sequence[Samples]) -> list[Tensor]:
        """Log-probabilities `(frames, tokens)` of each, in one batch."""
        longest = torch.tensor([max(map(len, samples))])
        width = self._features.samples(max(1, int(self._features.frames(longest))))
        waveforms, lengths = pad_waveforms(samples, width)
        features, frames = self._features(waveforms.to(self._device), lengths.to(self._device))
        log_probs, real = self._model(features, frames)[:2]
        return [one[:count] for one, count in zip(log_probs.cpu(), real.tolist(), strict=True)]

    def _in_batches(self, pieces: Sequence[Samples], done: Callable[[Sequence[int]], object]) -> list[Tensor]:
        """Log-probabilities of any number of pieces, those of like lengths together; `done` gets their numbers."""
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
        found: dict[int, Tensor] = {}
        while order:
            longest = max(1, len(pieces[order[-1]]))
            count = max(1, int(BATCH_SECONDS * SAMPLE_RATE) // longest)
            batch, order = order[-count:], order[:-count]
            found.update(zip(batch, self._log_probs([pieces[i] for i in batch]), strict=True))
            done(batch)
        return [found[i] for i in range(len(pieces))]

    def _windows(self, samples: Samples) -> list[tuple[int, int]]:
        shortest, longest, overlap = self._frames
        if len(samples) <= max(self._whole, longest * self._grid):
            return [(0, len(samples))]
        cuts = choose_cuts(relative_loudness(frame_power(samples, self._grid), self._grid), shortest, longest)
        tail = self._features.fft - self._features.shift
        return place_windows(len(samples), cuts, overlap, self._grid, tail)

    def segments(self, files: Sequence[Samples], progress: Progress = untold) -> list[list[Segment]]:
        """Each file's log-probabilities, in segments that follow on each other; a short file is one segment."""
        places = [self._windows(samples) for samples in files]
        pieces = [s[a:b] for s, windows in zip(files, places, strict=True) for a, b in windows]
        # What windows share is counted once.
        ends = [end for windows in places for end in (*(start for start, _ in windows[1:]), windows[-1][1])]
        starts = [start for windows in places for start, _ in windows]
        new = [(end - start) / SAMPLE_RATE for start, end in zip(starts, ends, strict=True)]
        heard = iter(self._in_batches(pieces, lambda batch: progress(sum(new[i] for i in batch))))
        return [
            join_windows([(start // self._grid, next(heard)) for start, _ in windows], self.symbols)
            for windows in places
        ]

    def log_probs(self, samples: Samples, progress: Progress = untold) -> Tensor:
        """A whole file's log-probabilities, `(frames, tokens)`."""
        return torch.cat([segment.log_probs for segment in self.segments([samples], progress)[0]])

    def _spelled(self, segments: Sequence[Segment], progress: Progress) -> list[list[tuple[str, list[Peak]]]]:
        """Each segment's words and their tokens, of the best path or by the search, which is what takes time."""
        if self._search is None:
            return [write_words(best_peaks(segment.log_probs), self.symbols) for segment in segments]
        found: dict[int, Sentence] = {}
        order = sorted(range(len(segments)), key=lambda i: len(segments[i].log_probs))
        while order:
            count = max(1, int(BATCH_SECONDS / self.frame_seconds) // max(1, len(segments[order[-1]].log_probs)))
            batch, order = order[-count:], order[:-count]
            pieces = [segments[i].log_probs for i in batch]
            lengths = torch.tensor([len(piece) for piece in pieces])
            found.update(zip(batch, self._search(pad_sequence(pieces, batch_first=True), lengths), strict=True))
            progress(sum(map(len, pieces)) * self.frame_seconds)
        sentences = [found[i] for i in range(len(segments))]
        peaks = [force_peaks(s.log_probs, sentence.ids) for s, sentence in zip(segments, sentences, strict=True)]
        return [
            write_words(own, self.symbols) if sentence.words is None else name_words(own, sentence.words, self.symbols)
            for own, sentence in zip(peaks, sentences, strict=True)
        ]

    def words(self, files: Sequence[Samples], progress: Progress = untold) -> list[list[Word]]:
        """Each file's words with times. `progress` gets the seconds of audio that are done."""
        by_file = self.segments(files, progress if self._search is None else untold)
        spelled = iter(self._spelled([segment for segments in by_file for segment in segments], progress))
        return [
            [
                time_word(text, peaks, segment.first_frame, self.frame_seconds)
                for segment in segments
                for text, peaks in next(spelled)
            ]
            for segments in by_file
        ]


def open_recognizer(trained: TrainedModel, settings: WindowSettings, search: Search | None = None) -> Recognizer:
    """A recognizer on the GPU where there is one."""
    return Recognizer(trained, settings, torch.device("cuda" if torch.cuda.is_available() else "cpu"), search)
