"""From audio files to transcripts, some files at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from asr.data.audio import Samples
from asr.errors import UserError
from asr.recognizer.audio import Audio, AudioFile, read_audio
from asr.recognizer.recognizer import Progress, Recognizer, untold
from asr.recognizer.words import Word

GROUP_SECONDS = 600.0
"""Short files are gathered up to here, so that those of like lengths are recognised together."""


@dataclass(frozen=True)
class Transcript:
    file: AudioFile
    seconds: float
    """Length of the audio."""
    words: list[Word]
    outside: list[Word] = field(default_factory=list)
    """Of an alignment: speech that is not in its text."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def _in_groups(files: Iterable[tuple[AudioFile, Audio]]) -> Iterator[list[tuple[AudioFile, Audio]]]:
    group: list[tuple[AudioFile, Audio]] = []
    for file, audio in files:
        group.append((file, audio))
        if sum(a.seconds for _, a in group) >= GROUP_SECONDS:
            yield group
            group = []
    if group:
        yield group


def tell_left_out(broken: Sequence[str], count: int) -> None:
    """Raises UserError where some of `count` files could not be used; `broken` tells of each."""
    if broken:
        raise UserError(f"{len(broken)} of {count} files were left out:\n  " + "\n  ".join(broken))


def transcribe(
    recognizer: Recognizer, files: Sequence[AudioFile], tell: Callable[[str], None], progress: Progress = untold
) -> Iterator[Transcript]:
    """Transcripts in the order of the files.

    Args:
        recognizer: the model.
        files: what is transcribed.
        tell: gets a line about each file that had to be changed to be read, or in which nothing is heard.
        progress: gets the seconds of audio that are done.

    Raises:
        UserError: at the end, where files could not be read: all others have been transcribed by then.
    """
    broken: list[str] = []

    def read() -> Iterator[tuple[AudioFile, Audio]]:
        for file in files:
            try:
                audio = read_audio(file.path, file.channel)
            except UserError as error:
                broken.append(str(error))
                continue
            if audio.notes:
                tell(f"{file.path}: {'; '.join(audio.notes)}")
            yield file, audio

    for group in _in_groups(read()):
        samples: list[Samples] = [audio.samples for _, audio in group]
        for (file, audio), words in zip(group, recognizer.words(samples, progress), strict=True):
            if not words:
                tell(f"{file.path}: no word is heard in {audio.seconds:.1f} s")
            yield Transcript(file, audio.seconds, words)
    tell_left_out(broken, len(files))
