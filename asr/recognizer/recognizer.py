"""A trained model at work: samples in, log-probabilities and words out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.audio.pauses import choose_cuts, find_speech, frame_power, relative_loudness
from asr.data.audio import SAMPLE_RATE, Samples
from asr.data.features import LogMel, pad_waveforms
from asr.data.tokens import BLANK, load_tokenizer, read_normaliser
from asr.decode.search import Search, Sentence
from asr.device import choose_device
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.recognizer.trained import TrainedModel
from asr.recognizer.windows import Segment, join_windows, place_windows
from asr.recognizer.words import Peak, Word, best_peaks, force_peaks, name_words, time_word, write_words
from asr.text.normaliser import find_normaliser

BATCH_SECONDS = 60.0
"""Audio that the model takes at a time, padding included."""
CPU_BATCH_SECONDS = 20.0
"""The same on a CPU, which is faster while what a layer makes fits its cache."""
UNHEARD_LOG_PROB = -20.0
"""Of every token but the blank, in nats, where the model has not listened: nobody speaks there."""


Progress = Callable[[float], object]


def untold(_: float) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class WindowSettings:
    """How audio that is longer than the longest window is cut: around pauses, where they allow it."""

    shortest_seconds: float = 4.0
    longest_seconds: float = 15.0
    overlap_seconds: float = 4.0
    """What two windows have in common."""
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
    utterances joined, which are up to twice as long, had a WER of 25 % whole and of 11 % in windows. Nor are windows
    much shorter, however many pauses there are: what is heard in little is heard worse. Sentences of LibriSpeech strung
    together had 37.4 % of their phones wrong with windows from 2.4 s on, and 36.9 % with windows from 8 s on.
    """
    usual = trained.utterance_seconds or (WindowSettings.shortest_seconds, WindowSettings.longest_seconds, 0.0)
    whole = usual[2] if longest is None else 0.0
    longest = usual[1] if longest is None else longest
    shortest = longest / 2 if shortest is None else shortest
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
        self._tokens = trained.tokens
        self._device = device
        self._batch_seconds = CPU_BATCH_SECONDS if device.type == "cpu" else BATCH_SECONDS
        shift_seconds = trained.features.shift_ms / 1000
        self._features = LogMel(trained.features).to(device)
        self._model = Encoder(trained.features.mels, len(self.symbols), trained.model, shift_seconds)
        self._model.load_state_dict(trained.weights)
        self._model.to(device).eval()
        self._stride = trained.model.stride
        self._grid = self._features.shift * self._stride
        # What a window's last frame needs beyond the next one's start.
        self._tail = self._features.fft - self._features.shift
        self.frame_seconds = self._grid / SAMPLE_RATE
        seconds = (settings.shortest_seconds, settings.longest_seconds, settings.overlap_seconds)
        self._frames = [max(1, round(s / self.frame_seconds)) for s in seconds]
        self._whole = round(settings.whole_seconds * SAMPLE_RATE)

    @cached_property
    def normalise(self) -> Callable[[str], str]:
        """What the texts went through that the model was trained on."""
        return find_normaliser(read_normaliser(self._tokens))

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
            count = max(1, int(self._batch_seconds * SAMPLE_RATE) // longest)
            batch, order = order[-count:], order[:-count]
            found.update(zip(batch, self._log_probs([pieces[i] for i in batch]), strict=True))
            done(batch)
        return [found[i] for i in range(len(pieces))]

    def _windows(self, samples: Samples) -> list[tuple[int, int]]:
        """Windows of a stretch of speech."""
        shortest, longest, overlap = self._frames
        if len(samples) <= max(self._whole, longest * self._grid):
            return [(0, len(samples))]
        cuts = choose_cuts(relative_loudness(frame_power(samples, self._grid), self._grid), shortest, longest)
        return place_windows(len(samples), cuts, overlap, self._grid, self._tail)

    def _stretches(self, samples: Samples) -> list[list[tuple[int, int]]]:
        """The windows of each stretch of a file in which there may be speech, `[start, stop)` in samples."""
        speech = find_speech(samples, self._grid)
        stops = [min(stop * self._grid + self._tail, len(samples)) for _, stop in speech]
        if speech and speech[-1][1] == len(samples) // self._grid:
            stops[-1] = len(samples)
        starts = [first * self._grid for first, _ in speech]
        return [
            [(start + a, start + b) for a, b in self._windows(samples[start:stop])]
            for start, stop in zip(starts, stops, strict=True)
        ]

    def segments(self, files: Sequence[Samples], progress: Progress = untold) -> list[list[Segment]]:
        """Each file's log-probabilities, in segments; where nobody speaks there are none."""
        places = [self._stretches(samples) for samples in files]
        pieces: list[Samples] = []
        new: list[float] = []
        for samples, stretches in zip(files, places, strict=True):
            windows = [window for windows in stretches for window in windows]
            pieces += [samples[start:stop] for start, stop in windows]
            # What windows share is counted once, and silence with what comes before it.
            edges = [0, *(start for start, _ in windows[1:]), len(samples)]
            new += [(end - start) / SAMPLE_RATE for start, end in pairwise(edges)] if windows else []
            if not windows:
                progress(len(samples) / SAMPLE_RATE)
        heard = iter(self._in_batches(pieces, lambda batch: progress(sum(new[i] for i in batch))))
        return [
            [
                segment
                for windows in stretches
                for segment in join_windows([(start // self._grid, next(heard)) for start, _ in windows], self.symbols)
            ]
            for stretches in places
        ]

    def log_probs(self, samples: Samples, progress: Progress = untold) -> Tensor:
        """A whole file's log-probabilities, `(frames, tokens)`."""
        frames = -(-self._features.frames_in(len(samples)) // self._stride)
        whole = torch.full((frames, len(self.symbols)), UNHEARD_LOG_PROB)
        whole[:, BLANK] = 0.0
        for segment in self.segments([samples], progress)[0]:
            whole[segment.first_frame : segment.first_frame + len(segment.log_probs)] = segment.log_probs
        return whole

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
    return Recognizer(trained, settings, choose_device(), search)
