"""Which token bucket would explain what was granted and refused: its rate, from when things were sent. Pure.

A bucket of rate r and burst b holds a request as long as it is not drained; let the level be what it holds. Whatever b
is, a granted request says that b is at least the level it led to, a refused one that b is less than that. So every r
has a smallest and a largest b, and the r for which they fit best are the candidates. One refusal fits every r: with
two, after runs of different speed, only the true one is left. Later one is enough, since the burst is known by then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_POINTS = 48
_UPWARD = 0.25
_ZOOMS = 3
_PEAKS = 5
TOLERANCE = 1.0
"""Answers overtake each other on the way, so levels are known to about one request."""


class Estimate(NamedTuple):
    """Rates between `low` and `high` fit; `misfit` is by how many requests even the best of them does not.

    `burst` belongs to the rate in the middle.
    """

    low: float
    high: float
    misfit: float
    burst: float

    @property
    def middle(self) -> float:
        """Return a rate between, nearer to the low one: whatever is above what was asked fits a burst of one."""
        return between(self.low, self.high)


class Bounds(NamedTuple):
    """Where to look: rates between two, and the burst, when it is known."""

    lowest: float
    highest: float
    burst: float | None = None


def between(low: float, high: float) -> float:
    """Return a rate between two, nearer to the low one."""
    return low * math.exp(_UPWARD * math.log(high / low))


def infer(granted: Sequence[float], refused: Sequence[float], bounds: Bounds) -> Estimate:
    """Return the rates within bounds that explain the moments, in seconds, of grants and of first refusals.

    What a rate leaves for the burst has narrow peaks, so the best few places of a grid are looked at more and more
    closely.
    """
    moments = sorted([(moment, True) for moment in granted] + [(moment, False) for moment in refused])
    step = (bounds.highest / bounds.lowest) ** (1 / (_POINTS - 1))
    rooms = {rate: _room(moments, rate, bounds.burst) for rate in (bounds.lowest * step**n for n in range(_POINTS))}
    for _ in range(_ZOOMS):
        for rate in _between(rooms):
            rooms[rate] = _room(moments, rate, bounds.burst)
    best = max(rooms.values())
    fitting = sorted(rate for rate, room in rooms.items() if room >= best - TOLERANCE)
    smallest, largest = _bursts(moments, between(fitting[0], fitting[-1]))
    return Estimate(fitting[0], fitting[-1], max(0.0, -best), (smallest + largest) / 2 if refused else smallest)


def _between(rooms: Mapping[float, float]) -> list[float]:
    """Return the rates half-way between the best ones and their neighbours."""
    rates = sorted(rooms)
    best = sorted(range(len(rates)), key=lambda place: -rooms[rates[place]])[:_PEAKS]
    pairs = {(place, place + 1) for place in best} | {(place - 1, place) for place in best}
    return [math.sqrt(rates[a] * rates[b]) for a, b in pairs if a >= 0 and b < len(rates)]


def _room(moments: Sequence[tuple[float, bool]], rate: float, burst: float | None) -> float:
    """Return what is left between the smallest burst that the grants need and the largest that the refusals leave."""
    smallest, largest = _bursts(moments, rate)
    if burst is not None:
        slack = max(TOLERANCE, 0.1 * burst)
        smallest, largest = max(smallest, burst - slack), min(largest, burst + slack)
    return largest - smallest


def _bursts(moments: Sequence[tuple[float, bool]], rate: float) -> tuple[float, float]:
    """Return the smallest burst that the grants need, and the largest that the refusals leave."""
    level, smallest, largest, before = 0.0, 0.0, float("inf"), 0.0
    for moment, is_granted in moments:
        level -= rate * (moment - before)
        before = moment
        level = max(level, 0.0) + 1.0
        if is_granted:
            smallest = max(smallest, level)
        else:
            largest = min(largest, level)
            level -= 1.0
    return smallest, largest
