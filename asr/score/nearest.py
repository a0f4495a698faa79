"""Of all ways to say a text, the one that is nearest to what was heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def _pass_phone(costs: Ints, starts: Ints, differs: Ints) -> tuple[Ints, Ints]:
    """One more phone of the reference: errors up to each place of what was heard, and where its word began there.

    Args:
        costs: fewest errors so far, `(heard + 1,)`.
        starts: the place at which the word began, on the way with so many errors; `(heard + 1,)`.
        differs: 1 where what was heard is another phone, `(heard,)`.
    """
    missing, said = costs + 1, costs[:-1] + differs
    other = np.concatenate(([False], said <= missing[1:]))
    costs = np.where(other, np.concatenate(([0], said)), missing)
    starts = np.where(other, np.concatenate(([0], starts[:-1])), starts)
    # Whatever was heard more follows at one error each.
    places = np.arange(len(costs))
    least = np.minimum.accumulate(costs - places)
    origin = np.maximum.accumulate(np.where(costs - places == least, places, 0))
    return least + places, starts[origin]


def nearest_phones(words: Sequence[Sequence[Sequence[str]]], heard: Sequence[str]) -> list[str]:
    """The phones of a text with the fewest substitutions, deletions and insertions; of equals, those said first.

    Args:
        words: for each word the ways to say it.
        heard: phones.
    """
    if all(len(ways) == 1 for ways in words):
        return [phone for ways in words for phone in ways[0]]
    number = {phone: i for i, phone in enumerate(dict.fromkeys(heard))}
    said = np.array([number[phone] for phone in heard], dtype=np.int64)
    places = np.arange(len(heard) + 1)
    costs = places
    traces: list[tuple[Ints, Ints]] = []
    for ways in words:
        ends: list[tuple[Ints, Ints]] = []
        for phones in ways:
            end = costs, places
            for phone in phones:
                end = _pass_phone(*end, (said != number.get(phone, -1)).astype(np.int64))
            ends.append(end)
        choice = np.argmin([end[0] for end in ends], axis=0)
        costs = np.choose(choice, [end[0] for end in ends])
        traces.append((choice, np.choose(choice, [end[1] for end in ends])))
    place, chosen = len(heard), list[Sequence[str]]()
    for ways, (choice, starts) in zip(reversed(words), reversed(traces), strict=True):
        chosen.append(ways[choice[place]])
        place = starts[place]
    return [phone for phones in reversed(chosen) for phone in phones]
