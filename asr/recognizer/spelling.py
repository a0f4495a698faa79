"""The words of a text as an alignment takes them: what is said of them, in which tokens, and how people wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from asr.data.tokens import Tokenizer
from asr.objective.ctc import needed_frames
from asr.recognizer.paths import Path, join

Normalise = Callable[[str], str]

ROUNDS = 3
"""How often words are said anew, at most, as their neighbours move."""


@dataclass(frozen=True)
class SpokenWord:
    """One word as it is written in a text; WELL-KNOWN is said as two, and a dash is not said at all."""

    text: str
    said: tuple[str, ...]


def say_words(text: str, normalise: Normalise) -> list[SpokenWord]:
    """The words of a text that are said, as they are written where each can be normalised by itself."""
    whole = normalise(text).split()
    single = [SpokenWord(word, tuple(normalise(word).split())) for word in text.split()]
    if [said for word in single for said in word.said] != whole:
        return [SpokenWord(word, (word,)) for word in whole]
    return [word for word in single if word.said]


def ways_to_say(words: Sequence[str], tokenizer: Tokenizer) -> list[list[list[int]]]:
    """For each word all ways to spell or say it; none where it has no token.

    Characters that no token writes are passed over where the rest of their word has some.
    """
    return [
        known or [ids for ids in [tokenizer.encode(word)] if ids]
        for word, known in zip(words, tokenizer.spell(words), strict=True)
    ]


def choose_ways(
    log_probs: Tensor, ways: Sequence[Sequence[list[int]]], boundary: int | None, path: Path
) -> list[list[int]]:
    """How each word is said: as is likeliest between its neighbours, first as all of them are usually said."""
    chosen = [own[0] for own in ways]
    if all(len(own) == 1 for own in ways):
        return chosen
    for _ in range(ROUNDS):
        before, (words, _) = [*chosen], path(log_probs, chosen, boundary)
        for number, own in enumerate(ways):
            if len(own) > 1:
                start = words[number - 1][-1].stop if number else 0
                part = log_probs[start : words[number + 1][0].first if number + 1 < len(words) else len(log_probs)]
                fitting = [ids for ids in own if needed_frames(ids) <= len(part)]
                scores = [path(part, [ids], boundary)[1] for ids in fitting]
                chosen[number] = fitting[scores.index(max(scores))]
        if needed_frames(join(chosen, boundary)) > len(log_probs):
            return before
        if chosen == before:
            break
    return chosen
