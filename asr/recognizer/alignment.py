"""Forced alignment: when the words of a known text are said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from asr.data.symbols import BOUNDARY
from asr.data.tokens import CharTokenizer, Tokenizer
from asr.errors import UserError
from asr.recognizer.audio import AudioFile, read_audio
from asr.recognizer.recognizer import Progress, Recognizer, untold
from asr.recognizer.transcribe import Transcript, tell_left_out
from asr.recognizer.words import Peak, Word, force_peaks, spell_word
from asr.score.transcripts import read_transcripts


def _encode_words(text: str, tokenizer: Tokenizer) -> tuple[list[str], list[list[int]], list[str]]:
    """Words that have tokens, their tokens, and words that have none."""
    words = text.split()
    encoded = [tokenizer.encode(word) for word in words]
    left_out = [word for word, ids in zip(words, encoded, strict=True) if not ids]
    kept = [(word, ids) for word, ids in zip(words, encoded, strict=True) if ids]
    return [word for word, _ in kept], [ids for _, ids in kept], left_out


def align_words(
    log_probs: Tensor, text: str, tokenizer: Tokenizer, symbols: Sequence[str], frame_seconds: float
) -> tuple[list[Word], list[str]]:
    """The text's words, written as they are in it, with times; and words left out for want of a token.

    Args:
        log_probs: of the whole file, `(frames, tokens)`.
        text: what is said, all of it.
        tokenizer: the model's.
        symbols: what each token writes.
        frame_seconds: of an encoder frame.

    Raises:
        UserError: the audio is too short for the text.
    """
    words, encoded, left_out = _encode_words(text, tokenizer)
    if not words:
        return [], left_out
    between = [symbols.index(BOUNDARY)] if isinstance(tokenizer, CharTokenizer) else []
    ids = [*encoded[0], *(i for tokens in encoded[1:] for i in [*between, *tokens])]
    needed = len(ids) + sum(a == b for a, b in itertools.pairwise(ids))
    if needed > len(log_probs):
        raise UserError(
            f"the text needs {needed * frame_seconds:.1f} s at least, the audio has "
            f"{len(log_probs) * frame_seconds:.1f} s; is it the text of this file?"
        )
    peaks = iter(force_peaks(log_probs, ids))
    aligned: list[Word] = []
    for word, tokens in zip(words, encoded, strict=True):
        if aligned and between:
            next(peaks)
        spans: list[Peak] = list(itertools.islice(peaks, len(tokens)))
        timed = spell_word(spans, symbols, 0, frame_seconds)
        aligned.append(Word(word, timed.start, timed.end, timed.confidence))
    return aligned, left_out


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
            words, left_out = align_words(
                log_probs, text, recognizer.tokenizer, recognizer.symbols, recognizer.frame_seconds
            )
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
