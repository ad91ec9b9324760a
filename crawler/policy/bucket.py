"""Which token bucket would explain what was granted and refused: its rate, from when things were sent. Pure.

A bucket of rate r and burst b holds a request as long as it is not drained; let the level be what it holds. Whatever b
is, a granted request says that b is at least the level it led to, a refused one that b is less than that. So every r
has a smallest and a largest b, and the r for which they fit best are the candidates. One refusal fits every r: with
two, after runs of different speed, only the true one is left. Later one is enough, since the burst is known by then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

COARSE = 40
FINE = 32
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
        """Return the rate in the middle."""
        return math.sqrt(self.low * self.high)


class Bounds(NamedTuple):
    """Where to look: rates between two, and the burst, when it is known."""

    lowest: float
    highest: float
    burst: float | None = None


def infer(granted: Sequence[float], refused: Sequence[float], bounds: Bounds) -> Estimate:
    """Return the rates within bounds that explain the moments, in seconds, of grants and of first refusals."""
    lowest, highest, burst = bounds
    moments = sorted([(moment, True) for moment in granted] + [(moment, False) for moment in refused])
    low, high, _ = _best(moments, _grid(lowest, highest, COARSE), burst)
    step = (highest / lowest) ** (1 / COARSE)
    low, high, room = _best(moments, _grid(max(lowest, low / step), min(highest, high * step), FINE), burst)
    smallest, largest = _bursts(moments, (low * high) ** 0.5)
    return Estimate(low, high, max(0.0, -room), (smallest + largest) / 2 if refused else smallest)


def _grid(lowest: float, highest: float, points: int) -> list[float]:
    return [lowest * (highest / lowest) ** (point / (points - 1)) for point in range(points)]


def _best(
    moments: Sequence[tuple[float, bool]], rates: Sequence[float], burst: float | None
) -> tuple[float, float, float]:
    """Return the lowest and the highest rate that fit best, and the room that is left at the best."""
    rooms = []
    for rate in rates:
        smallest, largest = _bursts(moments, rate)
        if burst is not None:
            slack = max(TOLERANCE, 0.1 * burst)
            smallest, largest = max(smallest, burst - slack), min(largest, burst + slack)
        rooms.append(largest - smallest)
    best = max(rooms)
    fitting = [rate for rate, room in zip(rates, rooms, strict=True) if room >= best - TOLERANCE]
    return fitting[0], fitting[-1], best


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
