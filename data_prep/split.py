"""A low-resource split: the transcripts of some utterances are kept, the others count as untranscribed.

Libri-light's practice (Kahn et al., ICASSP 2020): 10 minutes, 1 hour or 10 hours, spread over speakers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from asr.data.manifest import Utterance
from asr.errors import UserError


def _lot(seed: int, name: str) -> bytes:
    """A random number to sort by. It depends on nothing else, so that other files or speakers change no lot."""
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def _draw_hours(utterances: Sequence[Utterance], hours: float, seed: int) -> set[str]:
    """Ids of utterances of about `hours` in all: speakers take turns, each giving a random one at a time."""
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda u: _lot(seed, u.id)):
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    queues = [by_speaker[speaker] for speaker in sorted(by_speaker, key=lambda s: _lot(seed, s))]
    drawn: set[str] = set()
    left = hours * 3600
    while left > 0 and any(queues):
        for queue in queues:
            if queue and left > 0:
                utterance = queue.pop()
                drawn.add(utterance.id)
                left -= utterance.duration
    return drawn


def split_labeled(
    utterances: Sequence[Utterance], speakers: Sequence[str], hours: float | None, seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Those that keep their text, and those that lose it, in order.

    Args:
        utterances: all transcribed ones.
        speakers: only these keep theirs; empty: all.
        hours: of these, about so many (more by less than one utterance); None: all. The same seed draws the
            same, whatever the order, and more hours with it include the fewer.

    Raises:
        UserError: a named speaker does not occur, or there are fewer hours.
    """
    known = {u.speaker for u in utterances}
    absent = [s for s in speakers if s not in known]
    if absent:
        shown = ", ".join(sorted(known)[:10])
        raise UserError(f"corpus.labeled_speakers: no utterance of {absent[0]!r}; speakers there are {shown}")
    kept = [u for u in utterances if not speakers or u.speaker in speakers]
    if hours is not None:
        found = sum(u.duration for u in kept) / 3600
        # A corpus "of 5 hours" may hold a little less.
        if hours > 1.01 * found:
            raise UserError(f"corpus.labeled_hours is {hours:g}, but only {found:.4g} h with transcripts are there")
        drawn = _draw_hours(kept, hours, seed)
        kept = [u for u in kept if u.id in drawn]
    ids = {u.id for u in kept}
    return kept, [u for u in utterances if u.id not in ids]
