"""Values that change with audio heard: constants, or points on the audio clock."""

from __future__ import annotations

import bisect
import itertools

Schedule = float | tuple[tuple[float, float], ...]
"""A constant, or [hour of audio, value] points: linear between them, a jump where two have the same hour."""


def value_at(schedule: Schedule, hours: float) -> float:
    """The value at an hour of audio: linear between points, that of the nearest one before the first and after the
    last.

    Where two points have the same hour, the later one holds from that hour on.
    """
    if not isinstance(schedule, tuple):
        return schedule
    after = bisect.bisect_right([at for at, _ in schedule], hours + 1e-9)
    if after == 0:
        return schedule[0][1]
    since, value = schedule[after - 1]
    if after == len(schedule):
        return value
    until, end = schedule[after]
    return value + (end - value) * min(1.0, max(0.0, (hours - since) / (until - since)))


def values_of(schedule: Schedule) -> list[float]:
    """All values that it names; between them lie all that it takes."""
    return [value for _, value in schedule] if isinstance(schedule, tuple) else [schedule]


def until(schedule: Schedule, hours: float) -> Schedule:
    """What it is before an hour of audio: a constant where it has one value there, else the points that say so."""
    if not isinstance(schedule, tuple):
        return schedule
    # One point more than lie before: the line towards it has begun.
    corners = schedule[: bisect.bisect_left([at for at, _ in schedule], hours) + 1]
    constant = len({value for _, value in corners}) == 1
    return corners[0][1] if constant else corners


def hour_of_most(schedule: Schedule) -> float:
    """An hour of audio at which the value is largest, or all but."""
    if not isinstance(schedule, tuple):
        return 0.0
    # Of two points of one hour the former is what the value comes to.
    hours = [max(0.0, at - sooner) for at, _ in schedule for sooner in (0.0, 1e-6)]
    return max(hours, key=lambda at: value_at(schedule, at))


def only_jumps(schedule: Schedule) -> bool:
    """Whether the value never changes but at once."""
    if not isinstance(schedule, tuple):
        return True
    return all(one[0] == two[0] or one[1] == two[1] for one, two in itertools.pairwise(schedule))
