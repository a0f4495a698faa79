"""What every form of transcript comes down to: utterances with their texts, and where each was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Lines = Sequence[tuple[int, str]]
"""Numbers and contents of a file's lines, read once: what a pipe holds is gone after that. None for a folder."""


class Span(NamedTuple):
    """A stretch of a recording's channel, in seconds."""

    file: str
    channel: str
    begin: float
    end: float


class TextLine(NamedTuple):
    """One utterance as a file has it, or one word of a CTM. What the file does not say is None."""

    id: str
    text: str
    path: Path
    number: int
    """Of the line in the file."""
    speaker: str | None = None
    subset: str | None = None
    offset: float | None = None
    """Seconds into a recording: where a row of it begins, or the middle of a CTM's word."""
    span: Span | None = None

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.number}"


@dataclass(frozen=True)
class Fields:
    """Names to look for: the first one that any row has is that of all rows. Or numbers of columns, from 1, of a file
    without header."""

    id: tuple[str, ...] = ("id", "utt_id", "uttid", "utterance_id", "key", "audio_filepath", "path", "audio", "file")
    text: tuple[str, ...] = ("text", "transcript", "sentence", "reference")
    speaker: tuple[str, ...] = ("speaker", "speaker_id", "spk", "client_id")
    subset: tuple[str, ...] = ("subset", "split")
    offset: tuple[str, ...] = ("offset",)
    recogs: Literal["ref", "hyp"] = "ref"
    """Which of the two texts that icefall writes of an utterance."""


FIELDS = Fields()
HYPOTHESIS_TEXT = ("pred_text", "hypothesis", "prediction", "predicted_text", "hyp", "pred", *FIELDS.text)


@dataclass(frozen=True)
class Texts:
    """A file's utterances; ids may repeat."""

    form: str
    lines: list[TextLine]
    field: str | None = None
    """The field or column that the texts were taken from, where there are any."""
    unused: tuple[str, ...] = ()
    """Fields of text that nothing was taken from."""
