"""Forced alignment: when the words of a known text are said, and what is said that is not in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from asr.data.tokens import BLANK, Tokenizer
from asr.errors import UserError
from asr.objective.ctc import needed_frames
from asr.recognizer.audio import AudioFile, read_audio
from asr.recognizer.paths import join, through_stars, through_words
from asr.recognizer.recognizer import Progress, Recognizer, untold
from asr.recognizer.spelling import Normalise, choose_ways, say_words, ways_to_say
from asr.recognizer.transcribe import Transcript, tell_left_out
from asr.recognizer.words import Peak, Word, best_peaks, time_word, write_words
from asr.score.transcripts import read_transcripts

MOST_CELLS = 2_000_000_000
"""Frames times states of a path: bytes that its traces take."""
OUTSIDE_TOKENS = 3
"""Fewer tokens in a row that the model hears outside the text may be what it hears wrongly."""
UNLIKE = 0.25
"""Confidence of a text's words, in the mean, under which it may be another recording's. A model with 27 % of phones
wrong had 0.50 to 0.78 for the texts of 14 utterances, and up to 0.24 for those of others."""


@dataclass(frozen=True)
class Alignment:
    words: list[Word]
    """Written as they are in the text. A confidence is the mean probability of the word's tokens, and less where the
    model hears something else between them; none where the word is likelier somewhere else, for speech outside the text
    has taken its place."""
    left_out: list[str] = field(default_factory=list)
    """Words of the text that have no token."""
    outside: list[Word] = field(default_factory=list)
    """Speech that is not in the text, as the model hears it."""

    @property
    def confidence(self) -> float:
        """The mean over all words."""
        return sum(word.confidence for word in self.words) / max(1, len(self.words))

    def notes(self, starred: bool) -> list[str]:
        """What should be known of it."""
        notes = [f"left out, for want of a token: {' '.join(self.left_out)}"] if self.left_out else []
        if self.outside:
            shown = ", ".join(f"{w.text!r} ({w.start:.1f} to {w.end:.1f} s)" for w in self.outside[:3])
            rest = " and more" * (len(self.outside) > 3)
            remedy = "" if starred else "; times may be wrong: --star allows for it"
            notes.append(f"speech that is not in the text: {shown}{rest}{remedy}")
        if self.words and self.confidence < UNLIKE:
            notes.append(f"mean confidence {self.confidence:.2f}: hardly the text of this audio")
        return notes


def _certainty(log_probs: Tensor, peaks: Sequence[Peak]) -> float:
    """What a word's confidence is multiplied by: what blanks between its tokens cost, shared out among its tokens."""
    part = log_probs[peaks[0].first : peaks[-1].stop]
    lost = (part[:, BLANK] - part.max(-1).values).numpy()
    for peak in peaks:
        lost[peak.first - peaks[0].first : peak.stop - peaks[0].first] = 0
    return math.exp(float(lost.sum()) / len(peaks))


def _heard_outside(
    log_probs: Tensor, spans: Sequence[Sequence[Peak]], tokenizer: Tokenizer, frame_seconds: float
) -> list[Word]:
    """What the best path has between the words, where it is more than a slip."""
    edges = np.array([[own[0].first, own[-1].stop] for own in spans])
    gaps: dict[int, list[Peak]] = {}
    for peak in best_peaks(log_probs):
        middle = (peak.first + peak.stop - 1) / 2
        before = int(np.searchsorted(edges[:, 0], middle, "right"))
        if before == 0 or middle >= edges[before - 1, 1]:
            gaps.setdefault(before, []).append(peak)
    return [
        time_word(" ".join(text for text, _ in write_words(own, tokenizer.symbols)), own, 0, frame_seconds)
        for own in gaps.values()
        if sum(peak.token != tokenizer.boundary for peak in own) >= OUTSIDE_TOKENS
    ]


def align_words(
    log_probs: Tensor,
    text: str,
    tokenizer: Tokenizer,
    frame_seconds: float,
    normalise: Normalise = str,
    starred: bool = False,
    listen: bool = True,
) -> Alignment:
    """When the words of a text are said.

    Args:
        log_probs: of the whole file, `(frames, tokens)`.
        text: what is said, all of it.
        tokenizer: the model's.
        frame_seconds: of an encoder frame.
        normalise: what the model's own texts went through.
        starred: the text is only a part of what is said: anything may be said between its words.
        listen: look for speech outside the text, where there is memory for it.

    Raises:
        UserError: there is no word, or none has tokens; the audio is too short for the text, or too long to look for
            a part.
    """
    written = say_words(text, normalise)
    found = iter(ways_to_say([said for word in written for said in word.said], tokenizer))
    by_word = [(word, [own for _ in word.said if (own := next(found))]) for word in written]
    left_out = [word.text for word, ways in by_word if len(ways) < len(word.said)]
    ways = [own for _, all_ways in by_word for own in all_ways]
    if not ways and left_out:
        raise UserError(f"no word of the text can be written with the model's tokens: {' '.join(left_out[:5])}")
    if not ways:
        raise UserError("the text has no word that could be found")
    needed = needed_frames(join([own[0] for own in ways], tokenizer.boundary))
    if needed > len(log_probs):
        raise UserError(
            f"the text needs {needed * frame_seconds:.1f} s at least, the audio has "
            f"{len(log_probs) * frame_seconds:.1f} s; is it the text of this file?"
        )
    fits = len(log_probs) * 2 * (needed + 1) <= MOST_CELLS
    if starred and not fits:
        raise UserError("too long to look for a part of it at once; part recording and text, into some 20 minutes each")
    path = through_stars if starred else through_words
    spelled = choose_ways(log_probs, ways, tokenizer.boundary, path)
    spans, _ = path(log_probs, spelled, tokenizer.boundary)
    likelier, outside = spans, list[Word]()
    if listen and fits:
        likelier = spans if starred else through_stars(log_probs, spelled, tokenizer.boundary)[0]
        outside = _heard_outside(log_probs, likelier, tokenizer, frame_seconds)
    words: list[Word] = []
    rest = zip(spans, likelier, strict=True)
    for word, all_ways in by_word:
        pairs = [next(rest) for _ in all_ways]
        peaks, others = [p for own, _ in pairs for p in own], [p for _, own in pairs for p in own]
        if peaks:
            moved = outside and (others[-1].stop <= peaks[0].first or others[0].first >= peaks[-1].stop)
            certainty = 0.0 if moved else _certainty(log_probs, peaks)
            words.append(time_word(word.text, peaks, 0, frame_seconds, certainty))
    return Alignment(words, left_out, outside)


def texts_of(files: Sequence[AudioFile], text: str | Path, tell: Callable[[str], None]) -> list[str]:
    """Each file's text: `text` itself, of the one file, or by name from a `.trans.txt` file.

    Args:
        files: to be aligned.
        text: of them.
        tell: gets a line about transcripts of no file.

    Raises:
        UserError: there are several files and one text, a file has none, or two files have one name.
    """
    if isinstance(text, str):
        if len(files) > 1:
            raise UserError(f"{len(files)} files and one text; give --transcripts")
        if not text.split():
            raise UserError("--text: has no word that could be found")
        return [text]
    known = read_transcripts(text)
    named: dict[str, AudioFile] = {}
    for file in files:
        name = Path(file.name).name
        if name not in known:
            raise UserError(f"{text}: no transcript of {name!r} ({file.path})")
        if name in named:
            raise UserError(f"{text}: {name!r} may be {named[name].path} or {file.path}; align them one by one")
        named[name] = file
    others = [name for name in known if name not in named]
    if others:
        tell(f"{text}: {len(others)} transcripts of none of the files, such as {others[0]!r}")
    return [known[name] for name in named]


def align_files(
    recognizer: Recognizer,
    files: Sequence[AudioFile],
    texts: Sequence[str],
    tell: Callable[[str], None],
    progress: Progress = untold,
    starred: bool = False,
) -> Iterator[Transcript]:
    """The given texts with times, in the order of the files.

    Args:
        recognizer: the model.
        files: the audio.
        texts: of each file.
        tell: gets a line about whatever could not be taken as it is.
        progress: gets the seconds of audio that are done.
        starred: the texts are only parts of what is said.

    Raises:
        UserError: at the end, where files could not be read or are too short for their texts.
    """
    broken: list[str] = []
    for file, text in zip(files, texts, strict=True):
        try:
            audio = read_audio(file.path, file.channel)
        except UserError as error:
            broken.append(str(error))
            continue
        log_probs = recognizer.log_probs(audio.samples, progress)
        try:
            found = align_words(
                log_probs, text, recognizer.tokenizer, recognizer.frame_seconds, recognizer.normalise, starred
            )
        except UserError as error:
            broken.append(f"{file.path}: {error}")
            continue
        if notes := [*audio.notes, *found.notes(starred)]:
            tell(f"{file.path}: {'; '.join(notes)}")
        yield Transcript(file, audio.seconds, found.words, found.outside)
    tell_left_out(broken, len(files))
