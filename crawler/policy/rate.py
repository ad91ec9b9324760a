"""How evenly to ask, given how fast: pure arithmetic. How fast is in `policy.pace`, the waiting in `transport.gate`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from crawler.errors import ConfigError

RequestsPerSecond = float | Literal["auto"]
DEFAULT_BURST = 5
LATE_SECONDS = 0.02
"""How late a clock may wake somebody on a busy computer without a turn being lost."""


class Smoothing(NamedTuple):
    """A leaky bucket: at most `burst` requests at once, and one more every `seconds_per_burst / burst`."""

    burst: float
    seconds_per_burst: float

    @property
    def requests_per_second(self) -> float:
        """Return the steady rate."""
        return self.burst / self.seconds_per_burst


def smoothing(requests_per_second: RequestsPerSecond, burst: int = DEFAULT_BURST) -> Smoothing | None:
    """Return the bucket for a ceiling, None for "auto", which has no ceiling.

    A window of T seconds then sees at most `requests_per_second * T + burst` requests. The bucket is kept small: one
    that holds a long window's budget grants nearly two budgets in the first window (1,999 of "1000 a day", measured).
    Raises `ConfigError`.
    """
    if requests_per_second == "auto":
        return None
    if isinstance(requests_per_second, str) or not 0 < requests_per_second < float("inf") or burst < 1:
        raise ConfigError('requests_per_second must be "auto" or more than 0, burst at least 1')
    return Smoothing(burst, burst / requests_per_second)


def learned_smoothing(requests_per_second: float) -> Smoothing:
    """Return the bucket for a rate that was learned: even spacing, with room for a clock that wakes a little late."""
    burst = 1.0 + min(4.0, requests_per_second * LATE_SECONDS)
    return Smoothing(burst, burst / requests_per_second)
