"""Whose utterances are scored, and which subset they belong to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr.errors import UserError
from asr.score.lines import TextLine
from asr.score.scoring import Utterance


@dataclass(frozen=True)
class Speakers:
    """How speakers and subsets are found, where a file does not say."""

    pattern: str | None = None
    """Searched for in an id: its first group, or all of it, is the speaker."""
    subset_pattern: str | None = None
    """The same for the subset."""
    only: frozenset[str] | None = None
    """Score only these."""


def _finder(pattern: str | None, option: str) -> Callable[[TextLine], str | None]:
    if pattern is None:
        return lambda _: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{option} {pattern}: not a regular expression ({error})") from None

    def find(line: TextLine) -> str:
        match = compiled.search(line.id)
        if match is None:
            raise UserError(f"{line.place}: {option} {pattern} is not found in the utterance id {line.id!r}")
        found = match[1] if compiled.groups else match[0]
        if found is None:
            raise UserError(
                f"{line.place}: the group of {option} {pattern} has no part in the utterance id {line.id!r}"
            )
        return found

    return find


def _speaker_in_id(name: str, form: str) -> str:
    """LibriSpeech and Kaldi put the speaker before the first hyphen, sclite before a hyphen or underscore."""
    return re.split("[-_]" if form == "trn" else "-", name, maxsplit=1)[0]


def find_utterances(
    references: Sequence[tuple[str, TextLine]], form: str, speakers: Speakers
) -> list[tuple[str, Utterance]]:
    """Those to score, with what their ids are compared by.

    Raises:
        UserError: an utterance has no speaker where others have one, or a pattern is not found in an id.
    """
    speaker_finder = _finder(speakers.pattern, "--speaker-pattern")
    subset_finder = _finder(speakers.subset_pattern, "--subset-pattern")
    known = any(line.speaker is not None for _, line in references)
    found: list[tuple[str, Utterance]] = []
    met: set[str] = set()
    for same, line in references:
        speaker = speaker_finder(line) or line.speaker
        if speaker is None:
            if known:
                where = " in utt2spk" if form == "kaldi" else ""
                raise UserError(
                    f"{line.place}: utterance {line.id!r} has no speaker{where}, and others have one; give it one, or "
                    "find speakers in ids with --speaker-pattern"
                )
            speaker = _speaker_in_id(line.id, form)
        if speakers.only is None or speaker in speakers.only:
            found.append((same, Utterance(line.id, speaker, subset_finder(line) or line.subset or "")))
        met.add(speaker)
    if speakers.only is not None and (absent := speakers.only - met):
        raise UserError(
            f"--speakers {','.join(sorted(absent))}: no utterance is theirs; there are "
            + ", ".join(sorted(met)[:20])
            + (" …" if len(met) > 20 else "")
        )
    return found
