"""Forced alignment: when the words of a known text are said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from asr.data.tokens import Tokenizer
from asr.errors import UserError
from asr.recognizer.audio import AudioFile, read_audio
from asr.recognizer.recognizer import Progress, Recognizer, untold
from asr.recognizer.transcribe import Transcript, tell_left_out
from asr.recognizer.words import Word, force_path, force_peaks, time_word
from asr.score.transcripts import read_transcripts


def _spell_words(text: str, tokenizer: Tokenizer) -> tuple[list[str], list[list[list[int]]], list[str]]:
    """Words that have tokens, all ways to spell or say each, and words that have none.

    Characters that no token writes are passed over where the rest of their word has some.
    """
    words = text.split()
    ways = [
        known or [ids for ids in [tokenizer.encode(word)] if ids]
        for word, known in zip(words, tokenizer.spell(words), strict=True)
    ]
    kept = [(word, own) for word, own in zip(words, ways, strict=True) if own]
    return (
        [word for word, _ in kept],
        [own for _, own in kept],
        [w for w, own in zip(words, ways, strict=True) if not own],
    )


def _join(spelled: Sequence[Sequence[int]], boundary: int | None) -> list[int]:
    between = [] if boundary is None else [boundary]
    return [i for ids in spelled for i in (*between, *ids)][len(between) :]


def _frames(ids: Sequence[int]) -> int:
    """How many frames a path through these tokens has at least: equal neighbours have a blank between them."""
    return len(ids) + sum(a == b for a, b in itertools.pairwise(ids))


def _choose_ways(log_probs: Tensor, ways: Sequence[Sequence[list[int]]], boundary: int | None) -> list[list[int]]:
    """How each word is said: as is likeliest between its neighbours, as they lie where all words are said first."""
    chosen = [own[0] for own in ways]
    if all(len(own) == 1 for own in ways):
        return chosen
    peaks = force_peaks(log_probs, _join(chosen, boundary))
    before = 0
    for number, own in enumerate(ways):
        after = before + len(chosen[number])
        if len(own) > 1:
            start = peaks[before - 1].stop if before else 0
            part = log_probs[start : peaks[after].first if after < len(peaks) else len(log_probs)]
            fitting = [ids for ids in own if _frames(ids) <= len(part)]
            scores = [float(force_path(part, ids)[1].sum()) for ids in fitting]
            chosen[number] = fitting[scores.index(max(scores))]
        before = after + (boundary is not None)
    return chosen


def align_words(
    log_probs: Tensor, text: str, tokenizer: Tokenizer, frame_seconds: float
) -> tuple[list[Word], list[str]]:
    """The text's words, written as they are in it, with times; and words left out for want of a token.

    Args:
        log_probs: of the whole file, `(frames, tokens)`.
        text: what is said, all of it.
        tokenizer: the model's.
        frame_seconds: of an encoder frame.

    Raises:
        UserError: the audio is too short for the text.
    """
    words, ways, left_out = _spell_words(text, tokenizer)
    if not words:
        return [], left_out
    needed = _frames(_join([own[0] for own in ways], tokenizer.boundary))
    if needed > len(log_probs):
        raise UserError(
            f"the text needs {needed * frame_seconds:.1f} s at least, the audio has "
            f"{len(log_probs) * frame_seconds:.1f} s; is it the text of this file?"
        )
    spelled = _choose_ways(log_probs, ways, tokenizer.boundary)
    peaks = (p for p in force_peaks(log_probs, _join(spelled, tokenizer.boundary)) if p.token != tokenizer.boundary)
    spans = [[*itertools.islice(peaks, len(ids))] for ids in spelled]
    return [time_word(word, own, 0, frame_seconds) for word, own in zip(words, spans, strict=True)], left_out


def texts_of(files: Sequence[AudioFile], text: str | Path) -> list[str]:
    """Each file's text: `text` itself, of the one file, or by name from a `.trans.txt` file.

    Raises:
        UserError: there are several files and one text, or a file has none.
    """
    if isinstance(text, str):
        if len(files) > 1:
            raise UserError(f"{len(files)} files and one text; give --transcripts")
        return [text]
    known = read_transcripts(text)
    for file in files:
        if Path(file.name).name not in known:
            raise UserError(f"{text}: no transcript of {Path(file.name).name!r} ({file.path})")
    return [known[Path(file.name).name] for file in files]


def align_files(
    recognizer: Recognizer,
    files: Sequence[AudioFile],
    texts: Sequence[str],
    tell: Callable[[str], None],
    progress: Progress = untold,
) -> Iterator[Transcript]:
    """The given texts with times, in the order of the files.

    Args:
        recognizer: the model.
        files: the audio.
        texts: of each file.
        tell: gets a line about whatever could not be taken as it is.
        progress: gets the seconds of audio that are done.

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
            words, left_out = align_words(log_probs, text, recognizer.tokenizer, recognizer.frame_seconds)
        except UserError as error:
            broken.append(f"{file.path}: {error}")
            continue
        notes = list(audio.notes)
        if left_out:
            notes.append(f"left out, for want of a token: {' '.join(left_out)}")
        if notes:
            tell(f"{file.path}: {'; '.join(notes)}")
        yield Transcript(file, audio.seconds, words)
    tell_left_out(broken, len(files))
